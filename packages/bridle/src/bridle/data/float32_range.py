"""The limits of float32: numbers far from zero for their spread, or of extreme size, are moved before it rounds them.

Timestamps in seconds are 1.7e9, where float32 has steps of 128: a hundred of them become one number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bridle_audit.wording import first_few, plural

__all__ = ["EXACT", "HUGE", "TINY", "fit_to_float32", "is_lost", "is_wide", "mean_and_spread", "origin", "shifted"]

LOST = 1e-3  # of a feature's usual distance from its median: by more than that no value may be rounded
SMALLEST, LARGEST = 1e-30, 1e30  # of that distance: squares of float32 vanish or overflow beyond
SAMPLE = 10_000  # rows from which that distance is told
BLOCK = 256  # features that are looked at together, which bounds the memory
TINY, HUGE = 1e-100, 1e100  # spreads whose squares are safe in float64
EXACT = 2**53  # whole numbers beyond are rounded in float64


def fit_to_float32(xs: dict[str, np.ndarray], names: Sequence[str]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """The inputs of the splits, those features standardized that float32 would round away, and a note on them.

    Mean and standard deviation are those of the training rows. What needs nothing is handed on as it is.
    """
    train = xs["train"].reshape(len(xs["train"]), -1)
    if not is_wide(train):
        return xs, ()
    lost = np.concatenate([is_lost(train[:, k : k + BLOCK]) for k in range(0, train.shape[1], BLOCK)])
    if not lost.any():
        return xs, ()
    columns = np.flatnonzero(lost)
    return {split: standardized(x, train, columns) for split, x in xs.items()}, (note(columns, names),)


def is_wide(array: np.ndarray) -> bool:
    """Return True where the type has numbers that float32 rounds."""
    return array.dtype.kind in "iuf" and array.dtype.itemsize > (2 if array.dtype.kind in "iu" else 4)


def is_lost(x: np.ndarray) -> np.ndarray:
    """For each column of (rows, columns) whether float32 rounds away what tells its values apart, (columns,)."""
    with np.errstate(all="ignore"):
        wide = x.astype(np.float64)
        change = np.abs(wide.astype(np.float32) - wide).max(axis=0)
        if x.dtype.kind in "iu":  # beyond 2^53 the change cannot be seen in float64
            change = np.where(np.abs(wide).max(axis=0) > EXACT, np.abs(wide).max(axis=0) * 2.0**-24, change)
        step = max(1, len(x) // SAMPLE)
        distance = usual_distance(x[::step])
        lost = (change > LOST * distance) | (distance < SMALLEST) | (distance > LARGEST)
        found: np.ndarray = lost & (distance > 0) & np.isfinite(wide).all(axis=0)
    return found


def usual_distance(x: np.ndarray) -> np.ndarray:
    """The median distance from the median, per column; where most values are the same, half the range."""
    middle = np.sort(x, axis=0)[len(x) // 2]
    away = x.astype(np.float64) / 2 - middle.astype(np.float64) / 2  # the difference of halves cannot overflow
    if x.dtype.kind in "iu":
        away = np.maximum(x, middle).astype(np.uint64) - np.minimum(x, middle).astype(np.uint64)  # exact, wraps rightly
    distance = np.abs(away).astype(np.float64) * (1 if x.dtype.kind in "iu" else 2)
    usual = np.median(distance, axis=0)
    either: np.ndarray = np.where(usual > 0, usual, distance.max(axis=0) / 2)
    return either


def standardized(x: np.ndarray, train: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """A copy in float64 with the features at ``columns`` standardized by those of ``train`` (rows, features)."""
    flat = x.reshape(len(x), -1)
    out = flat.astype(np.float64)
    for k in columns.tolist():
        start, power = origin(train[:, k])
        known = shifted(train[:, k], start, power)
        out[:, k] = (shifted(flat[:, k], start, power) - known.mean()) / known.std()
    return out.reshape(x.shape)


# Note [numbers at the ends of float64]
# Means and variances are taken in float64. Squares of values near 1e200 overflow there, those near 1e-200 vanish, and
# beside a mean that is a million times the spread little is left of it. Such numbers are counted from one of them and
# scaled by a power of two first, which is exact; standardizing undoes it.
def origin(x: np.ndarray) -> tuple[Any, int]:
    """A number from which to count, and a power of two that makes the farthest about 1, for finite ``x`` (rows,)."""
    start = np.sort(x)[len(x) // 2].item()
    if x.dtype.kind in "iu":
        return start, 0
    return start, -math.frexp(float(np.abs(x / 2 - start / 2).max()))[1]


def shifted(x: np.ndarray, start: Any, power: int) -> np.ndarray:
    """``x`` counted from ``start`` and scaled, float64."""
    if x.dtype.kind in "iu":
        return np.array([float(int(value) - int(start)) for value in x.tolist()])
    with np.errstate(over="ignore"):
        scaled: np.ndarray = np.ldexp(x.astype(np.float64) / 2 - start / 2, power)
    return scaled


def mean_and_spread(y: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation (divisor n) of ``y`` (rows,), float64, also where squares overflow or vanish."""
    with np.errstate(all="ignore"):
        mean, spread = float(y.mean()), float(y.std())
    if TINY < spread < HUGE or (y == y[0]).all():
        return mean, spread
    start, power = origin(y)
    counted = shifted(y, start, power)
    return start + math.ldexp(float(counted.mean()), 1 - power), math.ldexp(float(counted.std()), 1 - power)


def note(columns: np.ndarray, names: Sequence[str]) -> str:
    """Return which features were standardized, and why."""
    shown = first_few(columns.tolist(), form=lambda k: names[k] if names else str(k))
    are = "is" if len(columns) == 1 else "are"
    return (
        f"{plural('feature', len(columns))} {shown} {are} standardized by the training rows: so far from zero, "
        "or so large or small, float32 would round away what tells the values apart"
    )
