"""The metrics by name: what each is called, which way is better, and which are taken by default.

Plain data, without NumPy: ``metrics`` computes them, ``results`` and the report read them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

__all__ = [
    "DEFAULT_METRIC",
    "FIT_METRIC",
    "METRICS",
    "SHOWN_BESIDE",
    "TASK_METRICS",
    "Criterion",
    "MetricInfo",
    "curve_metric",
    "higher_is_better",
    "metric_label",
]


@dataclass(frozen=True)
class MetricInfo:
    """One metric: its name in options and files, its label in sentences, its task, and its direction."""

    name: str
    label: str
    task: str
    higher_is_better: bool
    percentage: bool = False  # a share of rows, shown in percent; its differences are points
    in_target_units: bool = False


METRICS = {
    each.name: each
    for each in (
        MetricInfo("log_loss", "log-loss", "classification", higher_is_better=False),
        MetricInfo("accuracy", "accuracy", "classification", higher_is_better=True, percentage=True),
        MetricInfo("balanced_accuracy", "balanced accuracy", "classification", higher_is_better=True, percentage=True),
        MetricInfo("auroc", "AUROC", "classification", higher_is_better=True),
        MetricInfo("brier", "Brier score", "classification", higher_is_better=False),
        MetricInfo("ece", "calibration error", "classification", higher_is_better=False, percentage=True),
        MetricInfo("r2", "R²", "regression", higher_is_better=True),
        MetricInfo("rmse", "RMSE", "regression", higher_is_better=False, in_target_units=True),
        MetricInfo("mae", "MAE", "regression", higher_is_better=False, in_target_units=True),
    )
}
TASK_METRICS = {
    task: tuple(name for name, each in METRICS.items() if each.task == task)
    for task in ("classification", "regression")
}
# What chooses unless the user says otherwise. Log-loss sees every row's probability where accuracy sees a few rows
# change sides: it tells recipes apart with far fewer seeds, and the probabilities are what most users go on with.
DEFAULT_METRIC = {"classification": "log_loss", "regression": "r2"}
# How much of the rows is fitted, in shares of 1: a loss of training rows goes on falling when every one is right.
FIT_METRIC = {"classification": "accuracy", "regression": "r2"}
SHOWN_BESIDE = {"classification": "accuracy", "regression": "rmse"}  # what is told beside the one that chooses


def higher_is_better(name: str) -> bool:
    """Return True where a greater score is better; of a metric of the user's own as well, unless it says otherwise."""
    return METRICS[name].higher_is_better if name in METRICS else True


def metric_label(name: str) -> str:
    """Return what a metric is called in a sentence; one of the user's own goes by its name."""
    return METRICS[name].label if name in METRICS else name


def curve_metric(metric: str) -> str:
    """Return the metric that learning curves show beside the loss: the one that chooses, where the loss is not it."""
    return SHOWN_BESIDE["classification"] if metric == "log_loss" else metric


# Of scores bounded by 1 the distance to 1 is what is left to gain; of losses and errors it is the score itself.
BOUNDED_BY_ONE = ("accuracy", "balanced_accuracy", "auroc", "r2")


class Choosing(Protocol):
    """A metric that may choose: one of bridle's, or one of the user's own."""

    @property
    def name(self) -> str:
        """Its name in scores and curves."""

    @property
    def higher_is_better(self) -> bool:
        """Its direction."""


class Criterion(NamedTuple):
    """The metric that chooses epochs, lengths, strengths and winners, and its direction.

    A score that is not finite, whichever its sign, is worse than every other: it is nothing that was measured.
    """

    name: str
    higher_is_better: bool

    @classmethod
    def of(cls, metric: Choosing) -> Self:
        """Return the criterion that a metric is."""
        return cls(metric.name, metric.higher_is_better)

    @property
    def curve(self) -> str:
        """The name of its learning curve, behind the split's."""
        return "loss" if self.name == "log_loss" else self.name

    def loss(self, score: float) -> float:
        """Return a score as a number that is better the lower it is; infinite where it is not finite."""
        if not math.isfinite(score):
            return math.inf
        return -score if self.higher_is_better else score

    def is_better(self, score: float, than: float) -> bool:
        """Return True where a score is better than another.

        >>> Criterion("accuracy", True).is_better(0.5, math.inf), Criterion("accuracy", True).is_better(math.nan, 0.5)
        (True, False)
        """
        return self.loss(score) < self.loss(than)

    def improvement(self, score: float, than: float) -> float:
        """Return by which share of what is left to gain a score is better than another; infinite if one is not finite.

        >>> round(Criterion("accuracy", True).improvement(0.92, 0.9), 3)
        0.2
        """
        if not (math.isfinite(score) and math.isfinite(than)):
            return math.inf if self.is_better(score, than) else -math.inf
        left = 1 - than if self.name in BOUNDED_BY_ONE else abs(than)
        gained = self.loss(than) - self.loss(score)
        return gained / left if left > 0 else math.copysign(math.inf, gained) if gained else 0.0
