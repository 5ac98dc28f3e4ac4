"""Rules that both engines, ``attach`` and the exporter share, so that they train the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from bridle.errors import InputError
from bridle.feature_layout import Layout
from bridle.metric_info import METRICS, Criterion, curve_metric
from bridle.places import EVERYTHING, Batch, Ensemble, Stop
from bridle.places.base import Placed
from bridle.protocol import ADAMW_DECAY, Protocol
from bridle.recipe import Recipe
from bridle.regularizers import WeightDecay
from bridle.sites import check_patterns

__all__ = [
    "MEASURED_BATCH",
    "MEASURED_ROWS",
    "EpochChoice",
    "check_class_weight",
    "check_data",
    "check_row_weights",
    "class_weights",
    "has_diverged",
    "keeps_best_epoch",
    "stop_regularizers",
    "with_optimizer_decay",
]

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


def keeps_best_epoch(protocol: Protocol, recipe: Recipe) -> bool:
    """Return True where a run ends with the weights of its best epoch: by the protocol, or by a stop of the recipe.

    An ensemble is exempt from the protocol's rule: its cycles must all come to their end.
    """
    if stop_regularizers(recipe):
        return True
    return protocol.keeps_best_epoch and not any(isinstance(each, Ensemble) for each in recipe)


def has_diverged(point: Mapping[str, float]) -> bool:
    """Return True where a loss of an epoch is not finite; a metric may be undefined on a healthy network's rows."""
    return not all(math.isfinite(point[name]) for name in ("step_loss", "train_loss", "valid_loss"))


def stop_regularizers(recipe: Recipe) -> list[Stop]:
    """Return the regularizers of a recipe that stop."""
    return [unit for unit in recipe if isinstance(unit, Stop)]


@dataclass
class EpochChoice:
    """The best epoch of a run so far, by the first of its recipe's regularizers that stop or else by the metric."""

    states: list[tuple[float, ...]]  # of the regularizers that stop
    score: float = math.inf  # where there are none: of the best epoch, lower is better
    epoch: int = 0  # 0: none had a score

    @classmethod
    def start(cls, recipe: Recipe) -> Self:
        """Return what is known before the first epoch."""
        return cls([unit.state for unit in stop_regularizers(recipe)])

    def take(
        self, recipe: Recipe, point: Mapping[str, float], passed: float, criterion: Criterion
    ) -> tuple[bool, bool]:
        """Take in an epoch's point of the curves; return whether it is the best so far, and whether training is over.

        ``passed`` is the share of the training that has passed. Where regularizers stop, any of them ends the training,
        and the first epoch is the best until the first of them says of another that it improved.
        """
        verdicts = [
            self.judge(number, unit, monitored_score(unit, point, criterion), passed)
            for number, unit in enumerate(stop_regularizers(recipe))
        ]
        improved = verdicts[0][0] or not self.epoch if verdicts else self.improves(choosing_score(point, criterion))
        if improved:
            self.epoch = int(point["epoch"])
        return improved, any(over for _, over in verdicts)

    def judge(self, number: int, unit: Stop, score: float, passed: float) -> tuple[bool, bool]:
        """Return whether an epoch improved and whether training is over, by one of the regularizers."""
        improved, over, self.states[number] = unit.judge(score, self.states[number], unit.keywords(passed=passed))
        return improved, over

    def improves(self, score: float) -> bool:
        """Return True where an epoch is better than all before it, by the metric."""
        improved = score < self.score
        self.score = score if improved else self.score
        return improved


def choosing_score(scores: Mapping[str, float], criterion: Criterion) -> float:
    """Return an epoch's validation score by a metric, turned so that lower is better; infinite if it is not finite.

    >>> choosing_score({"valid_loss": 0.5, "valid_accuracy": 0.8}, Criterion.of(METRICS["accuracy"]))
    -0.8
    """
    return criterion.loss(scores[f"valid_{criterion.curve}"])


def monitored_score(unit: Stop, scores: Mapping[str, float], criterion: Criterion) -> float:
    """Return the score of an epoch that a regularizer stops by; lower is better.

    It is the loss, or what the curves show beside it where the criterion chooses.
    """
    if not unit.watches_metric:
        return scores["valid_loss"]
    shown = curve_metric(criterion.name)
    return choosing_score(scores, criterion if shown == criterion.name else Criterion.of(METRICS[shown]))


def check_class_weight(protocol: Protocol, task: str) -> None:
    """Raise ``ValueError`` where classes are to be weighed and there are none."""
    if protocol.class_weight is not None and task != "classification":
        raise InputError(
            f"class_weight={protocol.class_weight!r} is for classes, and the target here is a number; leave it out"
        )


def class_weights(protocol: Protocol, task: str, y: np.ndarray, classes: int) -> np.ndarray | None:
    """Return each class's weight in the training loss, (classes,), by the class ids ``y`` (rows,) of training.

    rows / (classes * rows of the class), so that their mean over the rows is 1; a class without rows counts for
    nothing. None where classes are not weighed; ``ValueError`` for a regression.

    >>> class_weights(Protocol(class_weight="balanced"), "classification", np.array([0, 0, 0, 1]), 2).tolist()
    [0.6666666666666666, 2.0]
    """
    check_class_weight(protocol, task)
    if protocol.class_weight is None:
        return None
    counts = np.bincount(y, minlength=classes)
    weights: np.ndarray = np.divide(len(y), np.count_nonzero(counts) * counts, out=np.zeros(classes), where=counts > 0)
    return weights


def check_row_weights(recipe: Recipe) -> None:
    """Raise ``ValueError`` for a recipe that mixes rows, where each row has a weight of its own."""
    for unit in recipe:
        if isinstance(unit, Batch) and unit.mixes_rows:
            raise InputError(
                f"{unit!r} mixes rows, and the rows here have weights of their own: what a mixed row should count is "
                "not known; leave out the one or the other"
            )


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
