"""Columns that say something of rows beside what is predicted and by what: groups, times, the split itself, weights."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bridle.data.arrays import as_array, describe_rows, short_repr
from bridle.data.column_types import GAPS, ParsedColumn, read_column
from bridle.data.holdout import Split
from bridle.data.vocabulary import Distinct
from bridle.data.weights import weight_array
from bridle.errors import InputError
from bridle_audit.wording import counted

__all__ = ["RowColumn", "group_numbers", "named_split", "row_column", "time_values", "weight_values"]

SIDES = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
}


class RowColumn(NamedTuple):
    """A column with one entry per row, and how errors speak of it."""

    label: str
    values: pd.Series[Any]
    gaps: bool = False  # whether some words stand for missing values, as in text
    first: int = 0  # the number of the first row

    def read(self) -> ParsedColumn:
        """The column as numbers, dates or words."""
        return read_column(self.label, self.values, gaps=self.gaps)

    def words(self, need: str) -> Distinct:
        """The column as words; ``ValueError``, with what is needed, where one is missing."""
        found = Distinct.of(self.values.astype(object)).without(GAPS if self.gaps else ())
        self.check_none(found.codes < 0, need)
        return found

    def first_word(self) -> str:
        """Return the first value that is no number, as it is written."""
        words = self.values[self.values.notna() & pd.to_numeric(self.values, errors="coerce").isna()]
        return short_repr(words.iloc[0])

    def check_none(self, missing: np.ndarray, need: str) -> None:
        """Raise ``ValueError`` that names the rows where a value is missing."""
        if missing.any():
            raise InputError(f"{self.label} is missing in {describe_rows(missing, self.first)}; {need}")


def row_column(given: Any, name: str, rows: int) -> RowColumn:
    """An array, list or column with one entry per row; ``ValueError`` for anything else."""
    known = (pd.Series, pd.Index, np.ndarray, list, tuple)
    array = given if isinstance(given, known) else as_array(given, name, "numbers, words or dates")
    try:
        column = pd.Series(array)
    except ValueError as error:
        raise InputError(f"{name} must have one value for each row: {error}") from error
    if len(column) != rows:
        raise InputError(f"{name} has {counted('value', len(column))} for {counted('row', rows)}; give one per row")
    return RowColumn(name, column.reset_index(drop=True))


def group_numbers(column: RowColumn) -> np.ndarray:
    """The group of each row as a number 0, 1, 2 ..., int64 of shape (rows,); ``ValueError`` where one is missing."""
    return column.words("every row needs a group, if need be one of its own").codes.astype(np.int64)


def time_values(column: RowColumn) -> ParsedColumn:
    """The time of each row, as a number; ``ValueError`` for words that are no dates, and for missing times."""
    read = column.read()
    if read.kind == "category":
        said = f"{column.label} must hold dates or numbers, but holds words, such as {column.first_word()}"
        raise InputError("; ".join([said, *read.notable]))
    column.check_none(read.values.isna().to_numpy(), "; ".join([*read.notable, "every row needs a time"]))
    return read


def weight_values(column: RowColumn) -> np.ndarray:
    """The weight of each row, float64 of shape (rows,); ``ValueError`` for what is no positive number."""
    read = column.read()
    if read.kind != "number":
        kind = "dates" if read.kind == "date" else f"words, such as {column.first_word()}"
        raise InputError("; ".join([f"{column.label} must hold positive numbers, but holds {kind}", *read.notable]))
    column.check_none(read.values.isna().to_numpy(), "; ".join([*read.notable, "every row needs a weight"]))
    return weight_array(read.values.to_numpy(), column.label, len(read.values), column.first)


def named_split(column: RowColumn) -> Split:
    """The split that a column names; ``ValueError`` for other words than train, valid, test and their usual forms."""
    found = column.words("it must say train, valid or test")
    strange = next((number for number, word in enumerate(found.words) if word.lower() not in SIDES), None)
    if strange is not None:
        where = describe_rows(found.codes == strange, column.first)
        raise InputError(
            f"{column.label} must say train, valid (validation, val, dev) or test, but says "
            f"{short_repr(found.words[strange])} in {where}"
        )
    sides = np.array([SIDES[word.lower()] for word in found.words])[found.codes]
    split = Split(*(np.flatnonzero(sides == side) for side in Split._fields))
    for side in ("train", "valid"):
        if side not in sides:
            raise InputError(f"{column.label} says {side!r} of no row; a comparison needs rows of train and of valid")
    return split
