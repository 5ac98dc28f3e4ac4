"""Parquet files; their metadata tell what they take in memory before it is taken: equal values have no size in them."""

from __future__ import annotations

import io
import json

import pandas as pd
from pyarrow import parquet

from bridle.data.files import GIB, MOST, most_unpacked
from bridle.errors import InputError
from bridle_audit.wording import counted

__all__ = ["read_parquet"]

CELL = 8  # bytes of a number, at least as many of a word


def read_parquet(data: bytes) -> pd.DataFrame:
    """The table of a Parquet file; columns that pandas wrote as categories are some, of numbers too.

    Raises ``ValueError`` for a file that is none, and for one that would take more memory than files may.
    """
    try:
        check_cells(parquet.ParquetFile(io.BytesIO(data)).metadata, len(data))
        table = parquet.read_table(io.BytesIO(data))
        frame: pd.DataFrame = table.to_pandas()
        written = json.loads((table.schema.metadata or {}).get(b"pandas", b"{}"))
        declared = {each.get("name") for each in written.get("columns", ()) if each.get("pandas_type") == "categorical"}
    except ValueError:
        raise
    except Exception as error:  # what is malformed can fail in any way
        raise InputError(f"{type(error).__name__}: {error}") from error
    for name in declared & set(frame.columns):
        frame[name] = frame[name].astype("category")
    return frame


def check_cells(metadata: parquet.FileMetaData, packed: int) -> None:
    """Raise ``ValueError`` for more values than are read into memory, nested ones included."""
    groups, columns = range(metadata.num_row_groups), range(metadata.num_columns)
    values = sum(metadata.row_group(group).column(column).num_values for group in groups for column in columns)
    size = CELL * max(values, metadata.num_rows * metadata.num_columns)
    if size > most_unpacked(packed):
        raise InputError(
            f"its {counted('row', metadata.num_rows)} of {counted('column', metadata.num_columns)}, {packed} bytes in "
            f"the file, take {size / GIB:.3g} GiB or more of memory; if that is meant, allow more with the environment "
            f"variable {MOST}"
        )
