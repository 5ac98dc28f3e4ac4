"""Weights of rows: positive numbers, of mean 1 over the training rows."""

from __future__ import annotations

import numpy as np

from bridle.data.arrays import as_array, describe_rows, short_repr
from bridle.errors import InputError
from bridle_audit.wording import counted

__all__ = ["relative_weights", "weight_array"]


def weight_array(given: object, name: str, rows: int, first: int = 0) -> np.ndarray:
    """Weights as float64 of shape (rows,); ``first`` is the number of the first row in errors.

    Raises ``ValueError`` for another shape and for what is no positive number.
    """
    array = as_array(given, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (rows,):
        raise InputError(f"{name} must have one weight for each of {counted('row', rows)}, got the shape {array.shape}")
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name} must hold positive numbers, got {array.dtype} such as {short_repr(array[0].item())}")
    weights = array.astype(np.float64)
    missing = np.isnan(weights)
    if missing.any():
        raise InputError(f"{name} is missing in {describe_rows(missing, first)}; every row needs a weight")
    bad = ~np.isfinite(weights) | (weights <= 0)
    if bad.any():
        raise InputError(
            f"{name} must be positive and finite, but is {weights[bad][0]:g} in {describe_rows(bad, first)}; leave out "
            "rows that are to count for nothing"
        )
    return weights


def relative_weights(weights: np.ndarray, name: str) -> np.ndarray:
    """Weights of training rows as float32 with mean 1; ``ValueError`` where float32 is too narrow for that.

    >>> relative_weights(np.array([1.0, 3.0]), "weights")
    array([0.5, 1.5], dtype=float32)
    """
    largest = weights.max()
    scaled = weights / largest  # so that their sum cannot overflow
    relative: np.ndarray = (scaled / scaled.mean()).astype(np.float32)
    if not (relative > 0).all():
        raise InputError(
            f"{name} reaches from {weights.min():g} to {largest:g}, so far that float32 makes 0 of the least; limit it"
        )
    return relative
