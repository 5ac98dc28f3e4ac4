"""The evidence of bridle's own rules: recipes, before training, and studies, behind it."""

from __future__ import annotations

from typing import Any

from bridle.recipe import Recipe, Regularizer
from bridle.results import Study


def recipe(subject: Any) -> Recipe | None:
    """The recipe that a recipe, a single regularizer or a text is."""
    return Recipe.of(subject) if isinstance(subject, Recipe | Regularizer | str) else None


def study(subject: Any) -> Study | None:
    """The study itself."""
    return subject if isinstance(subject, Study) else None
