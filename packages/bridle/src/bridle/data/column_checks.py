"""Columns that should teach a network nothing: row numbers, ids, and the target under another name."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from bridle.data.delimited import NAMELESS

__all__ = ["column_warnings", "row_number_reason"]

IDS = {"id", "ids", "idx", "index", "uuid", "guid", "rowid", "rowname", "rownames"}
CODES = {
    "zip", "zipcode", "postal", "postcode", "plz", "phone", "tel", "telephone", "mobile", "fax",
    "ssn", "isbn", "ean", "iban", "version",
}  # fmt: skip
NO_NAME = re.compile(rf"{NAMELESS.format('')}\d+(\.\d+)?|__index_level_\d+__|level_\d+|", re.IGNORECASE)
LEAST = 3  # rows from which numbers that all differ are an id
SAME = 1e-9  # of the spread: so near are two standardized numbers that are the same


def row_number_reason(name: str, values: pd.Series[Any]) -> str:
    """Return why a column is left out that numbers the rows and whose name, or lack of one, says so; else ""."""
    if not (is_whole(values) and values.is_unique and len(values) >= LEAST):
        return ""
    if NO_NAME.fullmatch(name):
        return "row numbers without a name, as pandas writes them with to_csv"
    return "an id by its name, another whole number in every row (rename it to keep it)" if is_id(name) else ""


def is_whole(values: pd.Series[Any]) -> bool:
    """Return True where these are whole numbers without gaps."""
    if values.dtype.kind in "iu":
        return True
    numbers = values.to_numpy()
    return numbers.dtype.kind == "f" and bool((numbers == np.rint(numbers)).all())


def is_id(name: str) -> bool:
    """Return True where the name is that of an id.

    >>> is_id("PassengerId"), is_id("row_id"), is_id("Row"), is_id("humidity"), is_id("centroid-row")
    (True, True, True, False, False)
    """
    words = tokens(name)
    return words[-1] in IDS or words == ["row"]


def tokens(name: str) -> list[str]:
    """The words of a name, in small letters."""
    return re.split(r"[\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower().strip())


def column_warnings(name: str, values: pd.Series[Any], y: np.ndarray, task: str) -> tuple[str, ...]:
    """Return what a reader should know of a column that was kept, as phrases."""
    if is_target(values, y, task):
        return ("a leak? it determines the target one to one",)
    whole = is_whole(values)
    if whole and len(values) >= LEAST and is_row_counter(values):
        return ("it counts the rows in their order; leave it out unless that order means something",)
    if whole and is_id(name):
        return ("an id by its name, read as amounts (--categorical for categories)",)
    if values.dtype.kind in "iuf" and CODES & set(tokens(name)):
        return ("a code by its name, read as amounts (--categorical for categories)",)
    return ()


def is_row_counter(values: pd.Series[Any]) -> bool:
    """Return True where the values are 0 ... n - 1 or 1 ... n, in order."""
    return bool(values.iloc[0] in (0, 1) and (np.diff(values.to_numpy()) == 1).all())


def is_target(values: pd.Series[Any], y: np.ndarray, task: str) -> bool:
    """Return True where the column is the target: each of its values stands beside one of the target's only, and back.

    Where the target's values all differ that says nothing; then only the target itself, in whatever unit, counts.
    """
    ours, _ = pd.factorize(values, use_na_sentinel=False)
    theirs, _ = pd.factorize(y)
    count = int(ours.max()) + 1
    if count == int(theirs.max()) + 1 and (task == "classification" or 2 * count <= len(y)):
        return len(np.unique(ours.astype(np.int64) * count + theirs)) == count
    both = {values.dtype.kind, y.dtype.kind} <= set("iuf")
    return task == "regression" and both and is_same_amount(values.to_numpy(np.float64), y)


def is_same_amount(x: np.ndarray, y: np.ndarray) -> bool:
    """Return True where two columns of numbers differ by a unit and an offset only."""
    if np.isnan(x).any() or len(x) < LEAST:
        return False
    with np.errstate(all="ignore"):
        ours, theirs = (standardized(each.astype(np.float64)) for each in (x, y))
        return bool(min(np.abs(ours - theirs).max(), np.abs(ours + theirs).max()) < SAME)


def standardized(x: np.ndarray) -> np.ndarray:
    """Mean 0 and standard deviation 1."""
    away: np.ndarray = x - x.mean()
    return away / float(x.std())
