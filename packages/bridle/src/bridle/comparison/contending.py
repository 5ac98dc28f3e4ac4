"""What is compared: the recipes, the seeds, the metric and the rest of what a user asks for, checked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bridle.comparison.trainer import ENGINES
from bridle.errors import InputError
from bridle.metric_info import Criterion
from bridle.metrics import Metric, resolve_metric
from bridle.protocol import chosen_seeds, whole_number
from bridle.recipe import Recipe, Regularizer

__all__ = ["DEFAULT_RECIPES", "MetricLike", "RecipeLike", "check_options", "resolve_contenders", "resolve_criterion"]

RecipeLike = Recipe | Regularizer | str | None
MetricLike = str | Metric | Callable[[Any, Any], float] | None
KEPT_MODELS = ("best", "all", "none")

# What is compared unless the user says otherwise: nothing, each method at a strength that is typical of what tuning
# chooses (docs/comparing.md has the evidence), and one combination.
DEFAULT_RECIPES = (
    "none",
    "L2(strength=0.001)",
    "WeightDecay(strength=0.5)",
    "Dropout(rate=0.2)",
    "BatchNorm()",
    "Dropout(rate=0.2) + WeightDecay(strength=0.5)",
)


def resolve_contenders(
    recipes: Sequence[RecipeLike] | None, seeds: int | Sequence[int], engine: str
) -> tuple[list[Recipe], Sequence[int]]:
    """Return the recipes to compare, "none" first, and the seeds; ``ValueError`` for what is none of these."""
    if engine not in tuple(ENGINES):  # of a tuple one may ask with anything, a list too
        raise InputError(f"compare: engine must be one of {', '.join(ENGINES)}, got {engine!r}")
    return recipes_with_baseline(recipes), chosen_seeds(seeds)


def recipes_with_baseline(recipes: Sequence[RecipeLike] | None) -> list[Recipe]:
    """Return the recipes to compare, "none" first; ``ValueError`` where one is asked for twice."""
    if isinstance(recipes, str | Recipe | Regularizer):
        raise InputError(f"compare: recipes must be a list of recipes, got {recipes!r}; write [{recipes!r}]")
    if recipes is not None and (isinstance(recipes, Mapping) or not isinstance(recipes, Iterable)):
        raise InputError(f"compare: recipes must be a list of recipes, got {type(recipes).__name__}")
    asked = [Recipe.of(recipe) for recipe in (DEFAULT_RECIPES if recipes is None else recipes)]
    for recipe in asked:
        if asked.count(recipe) > 1:
            raise InputError(f"compare: the recipe {str(recipe)!r} is asked for twice; give each recipe once")
    return [Recipe(), *(recipe for recipe in asked if recipe != Recipe())]


def resolve_criterion(metric: MetricLike, task: str) -> tuple[Criterion, Metric | None]:
    """Return the metric that chooses, and the function itself where it is the user's own.

    >>> resolve_criterion("R²", "regression")
    (Criterion(name='r2', higher_is_better=True), None)
    """
    found = resolve_metric(metric, task)
    return Criterion.of(found), found if isinstance(found, Metric) else None


def check_options(*, out: object, progress: object, tuned: object, references: object, keep_models: object) -> None:
    """Raise ``ValueError`` for an option of a comparison that cannot be meant."""
    if not isinstance(out, str | os.PathLike | None):
        raise InputError(f"compare: out must be the path of a folder for the results, or None, got {out!r}")
    if progress is not None and not callable(progress):
        raise InputError(f"compare: progress must be a function of (steps done, steps in all), got {progress!r}")
    if tuned is not None and (whole_number(tuned) or 0) < 2:
        raise InputError(f"compare: tuned must be the number of trials of each contender, 2 or more, got {tuned!r}")
    if not isinstance(references, bool):
        raise InputError(f"compare: references must be True or False, got {references!r}")
    if keep_models not in KEPT_MODELS:
        raise InputError(f"compare: keep_models must be one of {', '.join(KEPT_MODELS)}, got {keep_models!r}")
