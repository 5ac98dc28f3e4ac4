"""Metrics of a trained network: scores of its raw outputs, dead units by its activations, histograms of its weights.

Both engines measure here, so their tables can be compared. Everything is NumPy on plain arrays.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["METRICS", "dead_units", "scores", "weight_histogram"]

METRICS = {"classification": ("accuracy", "loss", "calibration_error"), "regression": ("r2", "rmse", "loss")}
CALIBRATION_BINS = 15
HISTOGRAM_BINS = 40


def scores(
    z: np.ndarray, y: np.ndarray, *, task: str, target_scale: tuple[float, float] = (0.0, 1.0)
) -> dict[str, np.ndarray]:
    """Raw outputs (..., rows, outputs) and targets (rows,) -> for each metric, (...) with one score per network.

    Classification: ``z`` are logits and ``y`` class ids. "accuracy"; "loss", the mean cross-entropy in nats;
    "calibration_error", see :func:`calibration_error`.

    Regression: ``z`` (..., rows, 1) are predictions of the standardized target, ``y`` is in its own units, and
    ``target_scale`` is the mean and the standard deviation that stand between them. "r2", "rmse" in the target's own
    units, and "loss", the mean squared error on the standardized target. Where all targets are equal, "r2" is 1 for a
    perfect prediction and else 0, as in scikit-learn.

    A network whose outputs are not all finite has nan for every score; its neighbours keep theirs.
    """
    networks = z.reshape(math.prod(z.shape[:-2]), *z.shape[-2:])
    found = [network_scores(each, y, task, target_scale) for each in networks]  # one by one, which bounds the memory
    by_metric = np.array(found, dtype=np.float64).reshape(*z.shape[:-2], len(METRICS[task]))
    return {metric: by_metric[..., number] for number, metric in enumerate(METRICS[task])}


def network_scores(z: np.ndarray, y: np.ndarray, task: str, target_scale: tuple[float, float]) -> tuple[float, ...]:
    """(rows, outputs) and (rows,) -> the scores, in the order of ``METRICS``."""
    if not np.isfinite(z).all():
        return (math.nan,) * len(METRICS[task])
    with np.errstate(over="ignore"):  # a diverging network's finite outputs may have an infinite error
        return classification_scores(z, y) if task == "classification" else regression_scores(z[:, 0], y, target_scale)


def classification_scores(z: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Logits (rows, classes) and class ids (rows,) -> accuracy, cross-entropy, calibration error."""
    by_class = z.T.astype(
        np.float64, order="C"
    )  # classes are few: reducing over the leading axis is several times faster
    right = by_class.argmax(0) == y
    top = by_class.max(0)
    own = by_class[y, np.arange(len(y))]
    total = np.exp(by_class - top).sum(0)
    loss = np.mean(np.log(total) + (top - own))
    return float(right.mean()), float(loss), calibration_error(1 / total, right)


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Return the expected calibration error: the mean distance of confidence and accuracy over the rows.

    ``confidence`` (rows,) is the probability given to the predicted class, ``right`` (rows,) whether it was the true
    one. Rows are grouped into 15 bins of equal width, (0, 1/15], ..., (14/15, 1]; a bin counts with its rows. Guo et
    al., On Calibration of Modern Neural Networks, 2017, https://arxiv.org/abs/1706.04599, equation 3.

    >>> calibration_error(np.array([0.9, 0.9, 0.9, 0.9]), np.array([True, True, True, False]))  # 0.90 said, 0.75 true
    0.15...
    """
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
    return float(np.abs(np.bincount(bins, weights=right - confidence)).sum() / len(right))


def regression_scores(z: np.ndarray, y: np.ndarray, target_scale: tuple[float, float]) -> tuple[float, float, float]:
    """Standardized predictions (rows,) and targets in their own units (rows,) -> R², RMSE, squared error."""
    mean, spread = target_scale
    target = y.astype(np.float64)
    standardized = (target - mean) / spread
    loss = float(np.mean((z - standardized) ** 2))
    variance = float(np.var(standardized))  # everything is affine in z, and squares of the target could overflow
    return 1 - loss / variance if variance > 0 else float(loss == 0), math.sqrt(loss) * spread, loss


def dead_units(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Least and greatest output of each unit over all rows (..., units) -> whether it is the same on every row.

    Such a unit tells the next layer nothing: a ReLU that is never on, a sigmoid that is always saturated.

    >>> dead_units(np.array([0.0, 0.0, 1.0]), np.array([0.0, 2.5, 1.0])).tolist()
    [True, False, True]
    """
    dead: np.ndarray = low == high
    return dead


def weight_histogram(w: np.ndarray) -> dict[str, list[float]]:
    """Any shape -> the 41 edges of 40 bins of equal width, symmetric around 0, and the 40 counts of the finite weights.

    >>> histogram = weight_histogram(np.array([-2.0, 0.1, 1.9]))
    >>> histogram["edges"][0], histogram["edges"][-1], sum(histogram["counts"])
    (-2.0, 2.0, 3)
    """
    finite = w[np.isfinite(w)].astype(np.float64)
    limit = np.abs(finite).max(initial=0.0) or 1.0
    counts, edges = np.histogram(finite / limit, bins=HISTOGRAM_BINS, range=(-1.0, 1.0))
    return {"edges": (edges * limit).tolist(), "counts": counts.tolist()}
