"""Rules that both engines, ``attach`` and the exporter share, so that they train the same."""

from __future__ import annotations

from collections.abc import Mapping

from bridle.errors import InputError
from bridle.feature_layout import Layout
from bridle.places import EVERYTHING, Stop
from bridle.places.base import Placed
from bridle.protocol import ADAMW_DECAY
from bridle.recipe import Recipe
from bridle.regularizers import WeightDecay
from bridle.sites import check_patterns

__all__ = ["MEASURED_BATCH", "MEASURED_ROWS", "check_data", "monitored_score", "with_optimizer_decay"]

# Running statistics of averaged weights are measured anew on the first training rows, batch by batch.
MEASURED_ROWS, MEASURED_BATCH = 4096, 256


def with_optimizer_decay(optimizer: str, recipe: Recipe) -> Recipe:
    """Return the recipe with the optimizer's own decay: AdamW has one, unless the recipe has a WeightDecay.

    >>> str(with_optimizer_decay("adamw", Recipe())), str(with_optimizer_decay("adam", Recipe()))
    ("WeightDecay(strength=0.01, on='all')", 'none')
    """
    if optimizer != "adamw" or any(isinstance(each, WeightDecay) for each in recipe):
        return recipe
    return Recipe((*recipe, WeightDecay(strength=ADAMW_DECAY, on=EVERYTHING)))


def monitored_score(unit: Stop, scores: Mapping[str, float], main: str) -> float:
    """Return the score of an epoch that a regularizer stops by; lower is better."""
    if unit.watches_metric:
        return -scores[f"valid_{main}"]
    return scores["valid_loss"]


def check_data(unit: Placed, task: str, layout: Layout) -> None:
    """Raise ``ValueError`` for a regularizer that these data are not made for."""
    if unit.place == "batch" or unit.on_outputs:
        check_patterns(unit, [])
    if unit.classes_only and task not in ("classification", "multilabel"):
        raise InputError(f"{unit!r} is for classes, and the target here is a number; leave it out for a regression")
    if unit.images_only and layout.image is None:
        raise InputError(
            f"{unit!r} is for images, rows of shape (height, width) or (channels, height, width), and these are rows "
            f"of {len(layout.groups)} features; leave it out, or give the images their shape"
        )
