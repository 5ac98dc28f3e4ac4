"""Recipes with L1 by its gradient."""

from __future__ import annotations

from collections.abc import Iterator

from bridle.recipe import Recipe
from bridle_audit.findings import Finding

SMOOTH = ("L1", "ElasticNet")
EXACT = ("SoftThreshold", "GroupSoftThreshold")


def check(recipe: Recipe) -> Iterator[Finding]:
    """Yield a finding for recipes with an L1 penalty in the loss."""
    names = [type(each).__name__ for each in recipe]
    for each in recipe:
        if type(each).__name__ in SMOOTH and not set(EXACT) & set(names):
            yield Finding(
                str(each),
                f"{type(each).__name__} acts by its gradient: weights become small, and none becomes exactly zero",
                "bridle.SoftThreshold(strength=...)  # the same penalty by proximal steps, if zeros are wanted",
            )
