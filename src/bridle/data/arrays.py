"""Whatever a user holds (lists, NumPy, pandas, tensors) as arrays of numbers, or a sentence that says why not."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
import pandas as pd

LISTED = 5  # how many rows an error names


def as_array(given: Any, name: str, expected: str = "numbers") -> np.ndarray:
    """``given`` as a NumPy array of any kind; ``ValueError`` where it has no regular shape or is out of reach."""
    try:
        array = np.asarray(given)
    except (ValueError, TypeError, RuntimeError) as error:
        # Ragged lists, tensors that carry a gradient or lie on another device.
        raise ValueError(f"{name} cannot be read as an array: {error}") from error
    if array.ndim == 0:
        raise ValueError(f"{name} must be an array with one entry per row, got {type(given).__name__}")
    return unboxed(array, name, expected) if array.dtype.kind == "O" else array


def unboxed(array: np.ndarray, name: str, expected: str) -> np.ndarray:
    """An array of Python objects as one of numbers (nan where missing) or of words (left as it is where some miss).

    ``ValueError`` for objects that are neither; ``expected`` says what was.
    """
    values = array.reshape(-1).tolist()
    present = [value for value in values if not is_missing(value)]
    strange = next((value for value in present if not isinstance(value, str | numbers.Real | np.bool_)), None)
    if strange is not None:
        raise ValueError(f"{name} must hold {expected}, got {type(strange).__name__} such as {strange!r}")
    if any(isinstance(value, str) for value in present):
        return array if len(present) < len(values) else np.array(list(map(str, values))).reshape(array.shape)
    return np.array([math.nan if is_missing(value) else value for value in values]).reshape(array.shape)


def is_missing(value: Any) -> bool:
    """Whether one value stands for a missing one: None, nan, NaT, pandas' NA."""
    return value is None or bool(np.all(pd.isna(value)))


def owned(array: np.ndarray, kind: type[np.generic]) -> np.ndarray:
    """``array`` as C-contiguous and of this type; itself where it already is that.

    A read-only one is copied: torch warns when it is made to share such memory, and pandas hands out no other.
    """
    with np.errstate(over="ignore"):  # an overflow becomes infinite, which is told with its row
        return np.require(array, dtype=kind, requirements=["C", "W", "E"])


def inputs(given: Any, name: str) -> np.ndarray:
    """``given`` as C-contiguous float32 of shape (rows, ...features), shared with the caller where it already is that.

    Raises ``ValueError`` where it has no rows or features, holds something else than numbers, or is not finite.
    """
    array = as_array(given, name)
    if array.ndim < 2:
        raise ValueError(f"{name} must have shape (rows, features) or (rows, ...), got {array.shape}")
    if 0 in array.shape:
        raise ValueError(f"{name} has no {'rows' if array.shape[0] == 0 else 'features'}: its shape is {array.shape}")
    if array.dtype.kind not in "biuf":
        values = array.reshape(-1).tolist()
        example = next((value for value in values if not isinstance(value, numbers.Real)), values[0])
        raise ValueError(
            f"{name} must hold numbers, got {array.dtype} such as {example!r}; "
            "encode it as numbers, or let bridle.load read the table"
        )
    x = owned(array, np.float32)
    bad: np.ndarray = ~np.isfinite(x).reshape(len(x), -1).all(axis=1)
    if bad.any():
        raise ValueError(f"{name} must be finite in float32, but has nan or infinite values in {listed(bad)}")
    return x


def listed(bad: np.ndarray, first: int = 0) -> str:
    """Which rows are marked, in words; ``first`` is the number of the first row.

    >>> listed(np.array([True, False, True])), listed(np.ones(9, bool), first=1)
    ('2 rows (0, 2)', '9 rows (1, 2, 3, 4, 5 and 4 more)')
    """
    rows = np.flatnonzero(bad) + first
    shown = ", ".join(map(str, rows[:LISTED].tolist()))
    more = f" and {len(rows) - LISTED} more" if len(rows) > LISTED else ""
    return f"{len(rows)} row{'s' if len(rows) > 1 else ''} ({shown}{more})"
