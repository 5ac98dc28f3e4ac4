"""Tables: CSV and its kin (plain or .gz), and Parquet files, with one column to predict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bridle.data.column_checks import column_warnings, row_number_reason
from bridle.data.column_types import GAPS, ParsedColumn, read_column
from bridle.data.dataset import Data
from bridle.data.delimited import read_delimited
from bridle.data.files import content
from bridle.data.parquet import read_parquet
from bridle.data.splits import DEFAULT, Splits
from bridle.data.table_roles import check_roles, read_roles
from bridle.data.table_rows import TableRows
from bridle.data.target_encoding import check_present, check_varied, infer_task, label_ids, task_note
from bridle.data.unparsed import with_rows
from bridle.data.vocabulary import Distinct
from bridle.errors import InputError
from bridle_audit.wording import list_choices, nearest

__all__ = ["ENDINGS", "read_table"]

ENDINGS = (".csv", ".csv.gz", ".parquet", ".tsv", ".tsv.gz", ".txt", ".txt.gz")


class Table(NamedTuple):
    """A file's columns as they are in it, and what was done to read them, as sentences."""

    frame: pd.DataFrame
    text: bool  # whether it was text, in which some words stand for missing values
    notes: tuple[str, ...] = ()


class Target(NamedTuple):
    """The target column, shape (rows,), as numbers or words without gaps; the task; what was done, as sentences."""

    y: np.ndarray
    task: str
    notes: tuple[str, ...]


def read_table(
    path: Path,
    target: str | None,
    task: str | None,
    categorical: Sequence[str],
    *,
    splits: Splits = DEFAULT,
    weights: str | None = None,
) -> Data:
    """The data set of a table: ``target`` names the column to predict, all others are features.

    Words, booleans, and few distinct whole numbers make a classification (split within each class), other numbers a
    regression (split at random). Every column is read as a whole, as numbers, categories or dates; those of
    ``categorical`` as categories. ``columns`` and ``notes`` of the data say how.

    Raises ``ValueError`` for an unreadable table, an unknown, constant, missing or infinite target, a class too small
    to split, and a table without usable features.
    """
    table = read_frame(path)
    target = known_target(table, target, path)
    roles = splits.columns | ({} if weights is None else {"weights": weights})
    check_roles(roles, list(table.frame.columns), target)
    found = read_target(table, target, path, task)
    others = table.frame.drop(columns=[target])
    features = others.drop(columns=list(roles.values()))
    if not len(features.columns):
        beside = "".join(f", {name!r} ({role})" for role, name in roles.items())
        raise InputError(f"{path} has no features: its only column is the target {target!r}{beside}")
    chosen = named_columns(categorical, list(others.columns), target)
    read = {
        name: read_column(f"column {name!r}", features[name], gaps=table.text, categorical=name in chosen)
        for name in features.columns
    }
    dropped = {
        name: why for name, each in read.items() if name not in chosen and (why := row_number_reason(name, each.values))
    }
    if len(dropped) == len(read):
        raise InputError(f"{path} has no features: {'; '.join(f'{name} is {why}' for name, why in dropped.items())}")
    kept = {name: each.values for name, each in read.items() if name not in dropped}
    y, classes = label_ids(found.y) if found.task == "classification" else (found.y, ())
    said = read_roles(table.frame, roles, y if classes else np.zeros(len(y), np.int64), gaps=table.text)
    return TableRows(
        names=list(others.columns),
        roles=said.columns,
        read=read,
        dropped=dropped,
        suspected={name: column_warnings(name, values, found.y, found.task) for name, values in kept.items()},
        y=y,
        keys=said.keys,
        splits=splits,
        named=said.split,
        weights=said.weights,
        options={"task": found.task, "name": table_name(path), "target": target, "classes": classes},
        notes=(*table.notes, *found.notes),
    ).data()


def table_name(path: Path) -> str:
    """The file's name without its ending."""
    ending = next(each for each in sorted(ENDINGS, key=len, reverse=True) if path.name.lower().endswith(each))
    return path.name[: -len(ending)]


def read_frame(path: Path) -> Table:
    """The file as a table with text for column names; ``ValueError`` where it is none, or has no rows."""
    data = content(path)
    text = not path.name.lower().endswith(".parquet")
    try:
        frame, notes = read_delimited(data) if text else (read_parquet(data), ())
    except (ValueError, OSError, Warning) as error:  # pandas' and pyarrow's errors are among these
        raise InputError(f"{path} cannot be read as a table: {error}") from error
    # A named index, as Parquet files can have, is a column like the others.
    frame = frame.reset_index(drop=frame.index.names == [None], allow_duplicates=True)
    frame.columns = pd.Index([str(name).strip() for name in frame.columns])
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise InputError(f"{path} has two columns named {twice!r}; give each its own name, or leave one out")
    if not len(frame):
        raise InputError(f"{path} has no rows, only the columns {', '.join(frame.columns)}")
    return Table(frame, text, notes)


def known_target(table: Table, target: str | None, path: Path) -> str:
    """The name of the target column; ``ValueError`` where none is given or there is no such column."""
    names = list(map(str, table.frame.columns))
    if target is None:
        raise InputError(
            f"{path} is a table: say which column to predict with target= (--target); it has {list_choices(names)}"
        )
    if target not in names:
        spaces = "; its one column has spaces in its name: write commas between the fields, not spaces"
        hint = spaces if len(names) == 1 and len(names[0].split()) > 1 else nearest(target, names)
        raise InputError(f"{path} has no column {target!r}{hint}")
    return target


def read_target(table: Table, target: str, path: Path, task: str | None) -> Target:
    """The target column, read as a whole; ``ValueError`` where it cannot be learnt."""
    column = table.frame[target]
    check_target_present(column, target, text=table.text)
    read = (
        read_labels(column, target, table)
        if task == "classification"
        else read_column(f"the target {target!r}", column, gaps=table.text)
    )
    if read.kind == "date":
        raise InputError(
            f"{path}: the target {target!r} holds dates; it must hold numbers or words: write it as days, say"
        )
    if read.strays.any():
        found = Distinct.of(column[read.strays])
        words = with_rows(found.words, found.counts)
        raise InputError(f"the target {target!r} holds numbers and words ({words}); correct these rows")
    y: np.ndarray[Any, Any] = read.values.to_numpy()
    y = y.astype(str) if read.kind == "category" else y
    check_varied(y, f"the target {target!r}")
    phrases = tuple(f"target {target}: {phrase}" for phrase in (*read.done, *read.notable))
    inferred = task or infer_task(y, integers_are_labels=False)
    decided = () if task else task_note(y, inferred)
    if inferred == "regression" and y.dtype.kind in "iu":
        start = int(y.min())  # such numbers are beyond what float64 holds exactly
        y = np.array([float(int(value) - start) for value in y])
        phrases = (*phrases, f"target {target}: counted from {start}")
    return Target(y, inferred, (*phrases, *decided))


def read_labels(column: pd.Series[Any], target: str, table: Table) -> ParsedColumn:
    """A target that the user says holds labels: numbers where they are plain, else words as they stand."""
    read = read_column(f"the target {target!r}", column, gaps=table.text)
    plain = read.kind == "number" and not read.done and not read.notable
    return read if plain else read_column(f"the target {target!r}", column, gaps=table.text, categorical=True)


def check_target_present(column: pd.Series[Any], target: str, *, text: bool) -> None:
    """Raise ``ValueError`` for rows without a target; in text with the words that stand for a missing one."""
    name = f"the target {target!r} (rows counted from 1)"
    words = column.map(str, na_action="ignore").str.strip()
    gaps = words.isin(GAPS) if text else pd.Series(False, column.index)
    try:
        check_present(column.astype(object).where(~gaps.astype(bool), None).to_numpy(), name, first=1)
    except ValueError as error:
        written = sorted({repr(word) for word in words[gaps] if word})
        classes = f"; {', '.join(written)} stand{'s' * (len(written) < 2)} for missing: spell a class otherwise"
        raise InputError(f"{error}{classes if written else ''}") from error


def named_columns(given: Sequence[str], names: list[str], target: str) -> set[str]:
    """The columns that are named, each by itself or several with commas; ``ValueError`` for one that there is not."""
    parts = [name for each in given for name in ([each] if each in names else each.split(","))]
    chosen = {part.strip() for part in parts if part.strip()}
    if target in chosen:
        raise InputError(
            f"categorical= (--categorical) names the target {target!r}; for labels say task='classification'"
        )
    for name in chosen:
        if name not in names:
            raise InputError(f"categorical= (--categorical): there is no column {name!r}{nearest(name, names)}")
    return chosen
