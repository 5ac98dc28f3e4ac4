"""Differences of no consequence: the margin within which two scores count as the same, where the user names none.

A default is the size at which nobody would choose otherwise: less than what another split of the same rows, or a year's
drift of the data, usually changes. It is a judgement and not a measurement; ``margin=`` replaces it, ``margin=0`` asks
for none.
"""

from __future__ import annotations

import math
import sys
from numbers import Real

from bridle.errors import InputError

__all__ = ["checked_margin", "margin_asked"]

ABSOLUTE = {
    "accuracy": 0.002,  # two rows of a thousand
    "balanced_accuracy": 0.002,
    "log_loss": 0.005,  # nats: half a percent of the probability that is given to what happened
    "auroc": 0.002,
    "brier": 0.002,
    "ece": 0.005,  # half a point: 15 bins of a few hundred rows do not measure finer
    "r2": 0.002,  # of the target's variance
}
RELATIVE = {"rmse": 0.005, "mae": 0.005}  # of the baseline's error: these are in the target's units


def default_margin(metric: str, reference_score: float) -> float:
    """Return the size up to which a difference of ``metric`` is of no consequence, in the metric's own units.

    ``reference_score`` is the baseline's: errors in the units of the target are judged relative to it. 0 (no margin)
    for a metric of the user's own, whose scale is not known, and where the reference is not finite.

    >>> default_margin("accuracy", 0.9), default_margin("rmse", 40.0), default_margin("profit", 12.0)
    (0.002, 0.2, 0.0)
    """
    if metric in RELATIVE:
        return RELATIVE[metric] * abs(reference_score) if math.isfinite(reference_score) else 0.0
    return ABSOLUTE.get(metric, 0.0)


def checked_margin(margin: float | None, metric: str, reference_score: float) -> float:
    """Return the margin asked for, or the default of None; ``ValueError`` for what is no size."""
    asked = margin_asked(margin)
    return default_margin(metric, reference_score) if asked is None else asked


def margin_asked(margin: object) -> float | None:
    """Return the margin asked for as a plain number, None for the default; ``ValueError`` for what is no size."""
    if margin is None:
        return None
    size = margin if isinstance(margin, int) or not isinstance(margin, Real) else float(margin)  # NumPy's too
    if isinstance(size, bool) or not isinstance(size, int | float) or not 0 <= size <= sys.float_info.max:
        raise InputError(
            "margin must be the size up to which a difference is of no consequence, in units of the metric (0.002 is "
            f"0.2 points of accuracy; 0: every difference counts), got {margin!r}"
        )
    return float(size)
