"""What the rules read from the scores of a study, whichever metric chooses."""

from __future__ import annotations

from bridle.metric_info import METRICS
from bridle.results import Contender, Study

__all__ = ["fit_metric", "label", "mean_score"]


def fit_metric(study: Study) -> str | None:
    """Return the metric that says how much of the rows is fitted, in shares of 1; None where there is none.

    A loss of the training rows has no such scale: it falls towards 0 long after every row is right.
    """
    measured = study.baseline.scores["valid"]
    return next((name for name in ("accuracy", "r2") if name in measured), None)


def mean_score(contender: Contender, split: str, metric: str) -> float:
    """Return the mean of a metric over the seeds."""
    return contender.scores[split][metric].mean


def label(metric: str) -> str:
    """Return what a metric is called in a sentence."""
    return METRICS[metric].label if metric in METRICS else metric
