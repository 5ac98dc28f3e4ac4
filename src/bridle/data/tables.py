"""Tables: CSV (plain or .gz) and Parquet files with one column to predict."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bridle.data.arrays import unboxed
from bridle.data.dataset import Data
from bridle.data.files import content
from bridle.data.preprocessing import prepare, typed
from bridle.data.splits import plain_split, stratified_split
from bridle.data.targets import check_present, check_task, infer_task
from bridle.forms import nearest

ENDINGS = (".csv", ".csv.gz", ".parquet")
GAPS = ["", "?", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL"]  # read as missing; "None" stays a word
SEPARATORS = ",;\t"


def read_table(path: Path, target: str | None, task: str | None = None) -> Data:
    """The data set of a table: ``target`` is the column to predict, all others are features.

    Words, booleans, and few distinct whole numbers make a classification (split 60/20/20 within each class), other
    numbers a regression (split at random); both splits are seeded. Raises ``ValueError`` for an unreadable table, an
    unknown, constant, missing or infinite target, a class too small to split, and a table without usable features.
    """
    check_task(task)
    frame = read_frame(path)
    y = target_values(frame, target, path)
    features = frame.drop(columns=[target])
    if not len(features.columns):
        raise ValueError(f"{path} has no features: its only column is the target {target!r}")
    task = task or infer_task(y, integers_are_labels=False)
    split = stratified_split(y) if task == "classification" else plain_split(len(y))
    table = typed(features)
    parts, names = prepare(table.iloc[split.train], [table.iloc[split.valid], table.iloc[split.test]])
    arrays = [array for x, rows in zip(parts, split, strict=True) for array in (x, y[rows])]
    return Data(*arrays, task=task, name=table_name(path), target=str(target), features=names)


def table_name(path: Path) -> str:
    """The file's name without its ending."""
    ending = next(each for each in sorted(ENDINGS, key=len, reverse=True) if path.name.lower().endswith(each))
    return path.name[: -len(ending)]


def read_frame(path: Path) -> pd.DataFrame:
    """The file as a table with text for column names; ``ValueError`` where it is none, or has no rows."""
    data = content(path)
    try:
        frame = pd.read_parquet(io.BytesIO(data)) if path.name.lower().endswith(".parquet") else read_csv(data)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from error
    except (ValueError, OSError, Warning) as error:  # pandas' and pyarrow's errors are among these
        raise ValueError(f"{path} cannot be read as a table: {error}") from error
    # A named index, as Parquet files can have, is a column like the others.
    frame = frame.reset_index(drop=frame.index.names == [None], allow_duplicates=True)
    frame.columns = pd.Index([str(name).strip() for name in frame.columns])
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise ValueError(f"{path} has two columns named {twice!r}; give each its own name")
    if not len(frame):
        raise ValueError(f"{path} has no rows, only the columns {', '.join(frame.columns)}")
    return frame


def read_csv(data: bytes) -> pd.DataFrame:
    """CSV text as a table; separated by commas, semicolons or tabs, whichever the header has most of."""
    header = data.partition(b"\n")[0].decode("utf-8", "replace")
    separator = max(SEPARATORS, key=header.count)
    with warnings.catch_warnings():
        # Rows longer than the header would otherwise be cut with a warning only.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(
            io.BytesIO(data),
            sep=separator,
            encoding="utf-8-sig",
            na_values=GAPS,
            keep_default_na=False,
            skipinitialspace=True,
            index_col=False,
            low_memory=False,
        )


def target_values(frame: pd.DataFrame, target: str | None, path: Path) -> np.ndarray:
    """The target column, shape (rows,), as numbers, booleans or words without gaps."""
    columns = list(map(str, frame.columns))
    if target is None:
        raise ValueError(
            f"{path} is a table: say which column to predict with target= (--target); it has {', '.join(columns)}"
        )
    if target not in columns:
        raise ValueError(f"{path} has no column {target!r}{nearest(target, columns)}")
    name = f"the target {target!r} (rows counted from 1)"
    y: np.ndarray[Any, Any] = frame[target].to_numpy()
    check_present(y, name, first=1)
    y = unboxed(y, name, "numbers or words") if y.dtype.kind == "O" else y
    if y.dtype.kind not in "biufU":
        raise ValueError(f"{path}: the target {target!r} holds {y.dtype}; it must hold numbers or words")
    if (y == y[0]).all():
        raise ValueError(f"the target {target!r} is constant: every row has {y[0]}; a target needs at least two values")
    return y
