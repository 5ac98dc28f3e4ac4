"""Two regularizers of the recipe get in each other's way.

What it finds:
    A recipe with two regularizers of which the card of one says that beside the other it does less, or something else,
    than alone. What would be meaningless cannot be written down: such recipes are refused.

Why it hurts:
    The effect of the two is not the sum of their effects, and tuning one moves the other. The card says in a sentence
    why that is so in each case; the pages on the regularizers show it, and cite.

Example:
    import bridle

    recipe = bridle.Mixup() + bridle.CutMix()

Use instead:
    import bridle

    recipe = bridle.Recipe.of(bridle.Mixup())

References:
    bridle, the cards of the regularizers: docs/regularizers in the repository, `bridle explain Mixup` prints one;
    Li et al., Disharmony between Dropout and Batch Normalization, 2019, https://arxiv.org/abs/1801.05134
"""

from __future__ import annotations

from collections.abc import Iterator

from bridle.card import DOUBTFUL
from bridle.recipe import Recipe, conflicts
from bridle_audit.findings import Finding

SEVERITY = "note"


def recipe(recipe: Recipe) -> Iterator[Finding]:
    """Conflicts that a card doubts."""
    for one, other, conflict in conflicts(recipe):
        if conflict.severity == DOUBTFUL:
            yield Finding(f"{one} and {other}", conflict.sentence.rstrip("."), without(recipe, other))


def without(recipe: Recipe, name: str) -> str:
    """The recipe without one of the two, as code."""
    left = Recipe(tuple(each for each in recipe if type(each).__name__ != name))
    return f"recipe = bridle.Recipe.parse({str(left)!r})"
