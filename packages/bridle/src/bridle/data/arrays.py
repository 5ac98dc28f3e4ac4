"""Converts what a user holds (lists, NumPy, pandas, tensors) to arrays of numbers, or says why not."""

from __future__ import annotations

import math
import numbers
import reprlib
from typing import Any

import numpy as np
import pandas as pd

from bridle.errors import InputError
from bridle_audit.wording import counted, first_few

__all__ = ["as_array", "copied_as", "describe_rows", "numeric_array", "short_repr", "to_float32"]


def as_array(given: object, name: str, expected: str = "numbers") -> np.ndarray:
    """``given`` as a NumPy array of any kind; ``ValueError`` where it has no regular shape or is out of reach."""
    check_plain(given, name)
    try:
        array = np.asarray(given)
    except Exception as error:  # ragged lists, tensors with a gradient or elsewhere: what converts itself fails anyhow
        way_out = f"; give {name}.detach().cpu().float().numpy()" if hasattr(given, "detach") else ""
        raise InputError(f"{name} cannot be read as an array: {str(error).rstrip('.')}{way_out}") from error
    if array.ndim == 0:
        raise InputError(f"{name} must be an array with one entry per row, got {type(given).__name__}")
    return from_objects(array, name, expected) if array.dtype.kind == "O" else array


def check_plain(given: Any, name: str) -> None:
    """Raise ``ValueError`` for arrays of which NumPy would show another content: sparse, structured, masked."""
    if hasattr(given, "toarray"):
        raise InputError(f"{name} is sparse ({type(given).__name__}); give {name}.toarray()")
    fields = getattr(getattr(given, "dtype", None), "names", None)
    if isinstance(fields, tuple):
        raise InputError(
            f"{name} is a structured array with the fields {', '.join(fields)}; give pandas.DataFrame({name})"
        )
    if isinstance(given, list | tuple) and any(isinstance(each, np.ma.MaskedArray) for each in given):
        given = np.ma.array(given)
    if np.ma.is_masked(given):
        masked: np.ndarray = np.atleast_1d(np.ma.getmaskarray(given))
        rows = np.array([row.any() for row in masked])
        raise InputError(f"{name} has masked values in {describe_rows(rows)}; fill or leave out these rows")


def from_objects(array: np.ndarray, name: str, expected: str) -> np.ndarray:
    """An array of Python objects as one of numbers (nan where missing) or of words (left as it is where some miss).

    ``ValueError`` for objects that are neither; ``expected`` says what was.
    """
    values = array.reshape(-1).tolist()
    present = [value for value in values if not is_missing(value)]
    strange = next((value for value in present if not isinstance(value, str | numbers.Real | np.bool_)), None)
    if strange is not None:
        raise InputError(f"{name} must hold {expected}, got {type(strange).__name__} such as {short_repr(strange)}")
    if any(isinstance(value, str) for value in present):
        return array if len(present) < len(values) else np.array(list(map(str, values))).reshape(array.shape)
    return np.array([math.nan if is_missing(value) else value for value in values]).reshape(array.shape)


def is_missing(value: Any) -> bool:
    """Return True where one value stands for a missing one: None, nan, NaT, pandas' NA."""
    return value is None or bool(np.all(pd.isna(value)))


def copied_as(array: np.ndarray, kind: type[np.generic]) -> np.ndarray:
    """``array`` as a C-contiguous copy of this type: what its giver does to it later changes nothing here."""
    with np.errstate(over="ignore"):  # an overflow becomes infinite, which is told with its row
        return np.array(array, dtype=kind, order="C", copy=True)


def numeric_array(given: object, name: str) -> np.ndarray:
    """``given`` as an array of numbers, or booleans, of shape (rows, ...features) and the type that they came in.

    Raises ``ValueError`` where it has no rows or features, or holds something else than numbers.
    """
    array = as_array(given, name)
    if array.ndim < 2:
        raise InputError(f"{name} must have shape (rows, features) or (rows, ...), got {array.shape}")
    if 0 in array.shape:
        raise InputError(f"{name} has no {'rows' if array.shape[0] == 0 else 'features'}: its shape is {array.shape}")
    if array.dtype.kind in "biuf":
        return array
    values = array.reshape(-1).tolist()
    strange = next((value for value in values if not isinstance(value, numbers.Real)), None)
    if array.dtype.kind == "O" and strange is None:
        return np.array(list(map(as_float, values))).reshape(array.shape)
    # NumPy has written the numbers beside words as words, too: what is shown is none of them.
    strange = next((value for value in values if not reads_as_number(value)), strange)
    raise InputError(
        f"{name} must hold numbers, got {array.dtype} such as {short_repr(values[0] if strange is None else strange)}; "
        "encode it as numbers, or let bridle.load read the table"
    )


def reads_as_number(value: object) -> bool:
    """Return True for a number, and for a text that is one."""
    if not isinstance(value, str):
        return isinstance(value, numbers.Real)
    try:
        float(value)
    except ValueError:
        return False
    return True


def as_float(value: numbers.Real) -> float:
    """The nearest float of a fraction or of a whole number of any size; infinite beyond them."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def short_repr(value: object) -> str:
    """A value as Python writes it, cut in the middle where that is long; its type where it cannot be written."""
    try:
        return reprlib.repr(value)
    except ValueError:  # a whole number of thousands of digits
        return f"a value of type {type(value).__name__}"


def to_float32(array: np.ndarray, name: str) -> np.ndarray:
    """Numbers as C-contiguous float32 of its own; ``ValueError`` where they are not finite there."""
    x = copied_as(array, np.float32)
    bad: np.ndarray = ~np.isfinite(x).reshape(len(x), -1).all(axis=1)
    if bad.any():
        raise InputError(f"{name} must be finite in float32, but has nan or infinite values in {describe_rows(bad)}")
    return x


def describe_rows(bad: np.ndarray, first: int = 0) -> str:
    """Return which rows are marked, in words; ``first`` is the number of the first row.

    >>> describe_rows(np.array([True, False, True])), describe_rows(np.ones(9, bool), first=1)
    ('2 rows (0, 2)', '9 rows (1, 2, 3, 4, 5 and 4 more)')
    """
    rows = (np.flatnonzero(bad) + first).tolist()
    return f"{counted('row', len(rows))} ({first_few(rows)})"
