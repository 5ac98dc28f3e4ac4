"""The types of columns: numbers, categories or dates; decided for the whole column, and said."""

from __future__ import annotations

import datetime
import decimal
import numbers
import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api import types

from bridle.data.arrays import describe_rows, short_repr
from bridle.data.dates import DATES, DAY, digits_alone, read_dates_or_times
from bridle.data.float32_range import EXACT
from bridle.data.number_formats import plain_text, read_numbers, split_quantity
from bridle.data.target_encoding import label_name
from bridle.data.vocabulary import Distinct, lookalike_notes
from bridle.errors import InputError
from bridle_audit.wording import counted

__all__ = ["GAPS", "ParsedColumn", "read_column"]

MISSING = "missing"
GAPS = ("", "?", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL")  # read as missing; "None" stays a word
PADDED = re.compile(r"[+-]?0\d+")  # a code, such as a ZIP code: an amount has no zeros in front
MANY = 100  # categories of numbers from which they are amounts after all
EXAMPLES = 3
WRITTEN = {8: "20231231", 12: "202312312359", 14: "20231231235959"}  # dates of digits alone, by their length


class ParsedColumn(NamedTuple):
    """A column as numbers (float64, nan where missing, or integers beyond its reach) or as words ("missing" too).

    ``done`` and ``notable`` are phrases that say how it was read; a reader must know the notable ones.
    """

    values: pd.Series[Any]
    kind: str  # "number", "category" or "date"
    done: tuple[str, ...] = ()
    notable: tuple[str, ...] = ()
    strays: np.ndarray = np.zeros(0, bool)  # marks the rows whose words were no numbers; empty where none can be


def read_column(label: str, column: pd.Series[Any], *, gaps: bool, categorical: bool = False) -> ParsedColumn:
    """One column, called ``label`` in errors; with ``gaps`` the words of ``GAPS`` are missing values, as in CSV.

    Raises ``ValueError`` for a column of something else, and for infinite numbers.
    """
    kind = column.dtype
    if categorical or types.is_bool_dtype(kind):
        return as_category(column, gaps)
    if isinstance(kind, pd.CategoricalDtype):
        return declared_category(label, column, gaps)
    if isinstance(kind, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if types.is_datetime64_any_dtype(column.dtype) or types.is_timedelta64_dtype(kind):
        return read_datetimes(column) if column.dtype.kind != "m" else read_durations(column)
    if types.is_numeric_dtype(kind) and not types.is_complex_dtype(kind):
        return read_amounts(label, column)
    if isinstance(kind, pd.StringDtype):
        return read_words(label, column, gaps=gaps)
    return read_objects(label, column.astype(object), gaps=gaps)


def read_amounts(label: str, column: pd.Series[Any]) -> ParsedColumn:
    """Numbers of any type; whole ones that float64 would round stay what they are."""
    if column.dtype.kind in "iu" and column.notna().all() and (np.abs(column.astype("float64")) > EXACT).any():
        return ParsedColumn(pd.Series(column.to_numpy(column.dtype.name.lower()), column.index), "number")
    values = pd.Series(column.to_numpy(np.float64, na_value=np.nan), column.index)
    check_finite(label, values)
    return ParsedColumn(values, "number")


def check_finite(label: str, values: pd.Series[Any]) -> None:
    """Raise ``ValueError`` that names the rows with infinite numbers."""
    infinite = np.isinf(values.to_numpy())
    if infinite.any():
        raise InputError(f"{label} is infinite in {describe_rows(infinite, first=1)}; correct these values")


def read_datetimes(column: pd.Series[Any]) -> ParsedColumn:
    """Dates of a type of their own, in days."""
    zoned = getattr(column.dt, "tz", None) is not None
    naive = column.dt.tz_convert("UTC").dt.tz_localize(None) if zoned else column
    seconds = (naive - pd.Timestamp("1970-01-01")).dt.total_seconds().to_numpy(np.float64, na_value=np.nan)
    return ParsedColumn(pd.Series(seconds / DAY, column.index), "date", (DATES, *(["in UTC"] if zoned else [])))


def read_durations(column: pd.Series[Any]) -> ParsedColumn:
    """Durations, in seconds."""
    seconds = column.dt.total_seconds().to_numpy(np.float64, na_value=np.nan)
    return ParsedColumn(pd.Series(seconds, column.index), "number", ("durations as seconds",))


def declared_category(label: str, column: pd.Series[Any], gaps: bool) -> ParsedColumn:
    """A column that its file declares to be of categories; many numbers, also in words, are amounts all the same."""
    categories = column.cat.categories
    if (
        types.is_numeric_dtype(categories.dtype)
        and not types.is_bool_dtype(categories.dtype)
        and len(categories) > MANY
    ):
        plain = read_amounts(label, column.astype(categories.dtype if column.notna().all() else "float64"))
        return plain._replace(notable=(f"declared as categories, but {len(categories)} different numbers: amounts",))
    words = column.astype(object)
    return read_objects(label, words, gaps=gaps) if len(categories) > MANY else as_category(words, gaps)


def read_objects(label: str, column: pd.Series[Any], *, gaps: bool) -> ParsedColumn:
    """Python objects: words, which may be written numbers or dates, or numbers, truth values, dates."""
    present = column[column.notna()]
    kinds: set[type] = {type(value) for value in present}
    truths = kinds & {bool, np.bool_}
    if kinds and not truths and all(issubclass(kind, decimal.Decimal | numbers.Real) for kind in kinds):
        return read_amounts(label, whole_or_float(column))
    if kinds and kinds <= {datetime.date, datetime.datetime, pd.Timestamp}:
        return read_datetimes(pd.to_datetime(column, utc=True))
    if kinds == {datetime.time}:
        seconds = [clock_seconds(value) if isinstance(value, datetime.time) else np.nan for value in column]
        return ParsedColumn(pd.Series(seconds, column.index), "number", ("times as seconds",))
    strange = next((v for v in present if not isinstance(v, str | numbers.Real | np.bool_ | decimal.Decimal)), None)
    if strange is not None:
        raise InputError(
            f"{label} holds {type(strange).__name__} such as {short_repr(strange)}; bridle reads numbers, words and "
            "dates: write it as one of these or leave it out"
        )
    if any(issubclass(kind, str) for kind in kinds):
        return read_words(label, column, gaps=gaps)
    return as_category(column, gaps)


def whole_or_float(column: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers that are Python objects, as a column of numbers."""
    if all(isinstance(value, int | np.integer) for value in column):
        try:
            return column.astype("int64")
        except OverflowError:
            pass
    return column.map(float, na_action="ignore").astype("float64")


def clock_seconds(time: datetime.time) -> float:
    """Seconds since midnight."""
    return time.hour * 3600 + time.minute * 60 + time.second + time.microsecond / 1e6


def read_words(label: str, column: pd.Series[Any], *, gaps: bool) -> ParsedColumn:
    """Words: as numbers or dates where the column as a whole is written as such, else as categories."""
    found = Distinct.of(column)
    present = found.without(GAPS)
    words = [plain_text(word) for word in present.words]
    if not words:
        return ParsedColumn(pd.Series(np.nan, column.index), "number")
    days = digits_alone(words)
    if days is not None:
        done = f"{DATES}, written {WRITTEN[len(words[0])]}"
        return ParsedColumn(present.spread(days, column.index, np.nan), "date", (done,))
    if any(map(PADDED.fullmatch, words)) and all(word.lstrip("+-").isdecimal() for word in words):
        return categories(column.index, found, gaps, ("read as a code: it has numbers with zeros in front",))
    return as_numbers(label, column.index, present, words) or as_dates(column.index, found, words, gaps)


def as_numbers(label: str, index: pd.Index[Any], present: Distinct, words: list[str]) -> ParsedColumn | None:
    """The words as numbers, or None where they are none."""
    read = read_numbers(words, present.counts)
    if read is None:
        return None
    values = read.values
    rows = present.spread(values, index, np.nan)
    check_finite(label, rows)
    strays = present.spread(np.isnan(values), index, False).to_numpy()
    whole = exact_integers(words, values)
    if whole is not None and (present.codes >= 0).all():
        return read_amounts(label, present.spread(whole, index, 0))._replace(notable=read.notable)
    return ParsedColumn(rows, "number", (), read.notable, strays)


def exact_integers(words: list[str], values: np.ndarray) -> np.ndarray | None:
    """Whole numbers that float64 would round, as integers; None where there are none or they are too long for that."""
    if not (np.abs(values) > EXACT).any():
        return None
    try:
        whole = [int(word) for word in words]
        return np.array(whole, dtype=np.int64 if min(whole) < 0 or max(whole) < 2**63 else np.uint64)
    except (ValueError, OverflowError):
        return None


def as_dates(index: pd.Index[Any], found: Distinct, words: list[str], gaps: bool) -> ParsedColumn:
    """The words as dates or times, or else as categories."""
    present = found.without(GAPS)
    moments = read_dates_or_times(words, present.counts)
    if moments is None:
        return categories(index, found, gaps, mixed_column_notes(words, present.counts))
    if moments.kind == "category":
        return categories(index, found, gaps, moments.notable)
    strays = present.spread(np.isnan(moments.values), index, False).to_numpy()
    rows = present.spread(moments.values, index, np.nan)
    return ParsedColumn(rows, moments.kind, moments.done, moments.notable, strays)


def mixed_column_notes(words: list[str], counts: np.ndarray) -> tuple[str, ...]:
    """Return a note, and its reason, if most words look like numbers but were not read as numbers."""
    parts = [split_quantity(word) for word in words]
    like = np.array([part is not None for part in parts])
    units = {part.unit: word for part, word in zip(parts, words, strict=True) if part}
    if like.sum() <= MANY // 5 or counts[like].sum() <= counts.sum() / 2:
        return ()
    if len(units) > 1:
        examples = ", ".join(map(repr, list(units.values())[:EXAMPLES]))
        return (f"its numbers are in several units or notations ({examples}): read as words, not as amounts",)
    examples = ", ".join(repr(words[k]) for k in np.flatnonzero(~like)[:EXAMPLES].tolist())
    rows = counted("row", counts[~like].sum())
    others = (
        f"other words in {rows} ({examples}) stand among its numbers" if examples else "its numbers fit no notation"
    )
    return (f"{others}: read as words, not as amounts; correct these rows or leave them empty",)


def as_category(column: pd.Series[Any], gaps: bool) -> ParsedColumn:
    """Every value as a category, whole numbers without a point."""
    words = column.astype(object).map(label_name, na_action="ignore")
    return categories(column.index, Distinct.of(words), gaps, ())


def categories(index: pd.Index[Any], found: Distinct, gaps: bool, notable: tuple[str, ...]) -> ParsedColumn:
    """The words as categories, with what was done to them."""
    present = found.without(GAPS) if gaps else found
    values = present.spread(np.array(present.words, dtype=object), index, MISSING)
    spaces = (f"spaces around words taken off ({counted('spelling', found.spaces)})",) if found.spaces else ()
    return ParsedColumn(
        values, "category", (*spaces, *(gap_notes(found) if gaps else ())), (*notable, *lookalike_notes(present.words))
    )


def gap_notes(found: Distinct) -> tuple[str, ...]:
    """Return which words were taken for missing ones."""
    gone = [f"{w!r} in {counted('row', n)}" for w, n in zip(found.words, found.counts, strict=True) if w and w in GAPS]
    return (f"{', '.join(gone)} read as missing",) if gone else ()
