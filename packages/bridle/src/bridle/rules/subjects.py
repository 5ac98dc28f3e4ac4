"""The evidence of bridle's own rules: recipes, before training, and studies, behind it."""

from __future__ import annotations

from bridle.recipe import Recipe, Regularizer
from bridle.results import Study


def recipe(subject: object) -> Recipe | None:
    """Return the recipe of a recipe, a single regularizer or its text; None for any other subject."""
    return Recipe.of(subject) if isinstance(subject, Recipe | Regularizer | str) else None


def study(subject: object) -> Study | None:
    """Return a subject that is a study; None for any other."""
    return subject if isinstance(subject, Study) else None
