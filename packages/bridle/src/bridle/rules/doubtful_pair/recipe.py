"""Conflicts that a card doubts."""

from __future__ import annotations

from collections.abc import Iterator

from bridle.card import DOUBTFUL
from bridle.recipe import Recipe, conflicts
from bridle_audit.findings import Finding


def check(recipe: Recipe) -> Iterator[Finding]:
    """Yield a finding for pairs of regularizers whose cards doubt their combination."""
    for one, other, conflict in conflicts(recipe):
        if conflict.severity == DOUBTFUL:
            yield Finding(f"{one} and {other}", conflict.sentence.rstrip("."), without(recipe, other))


def without(recipe: Recipe, name: str) -> str:
    """Return the code of a recipe without one of its regularizers."""
    left = Recipe(tuple(each for each in recipe if type(each).__name__ != name))
    return f"recipe = bridle.Recipe.parse({str(left)!r})"
