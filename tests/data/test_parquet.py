from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bridle.data import load
from bridle.data.files import MOST


@pytest.fixture
def constant(tmp_path: Path) -> Path:
    """A column of 100,000 equal numbers, which takes no room in the file, and a target."""
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame({"a": [*range(99), *[7] * 99_901], "y": [0, 1] * 50_000})
    frame.to_parquet(path)
    return path


def test_what_the_rows_take_in_memory_is_known_before_they_are_read(
    constant: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(constant, "y").rows["train"] == 60_000
    monkeypatch.setattr("bridle.data.files.SUSPICIOUS", 1 << 20)
    monkeypatch.setattr("pyarrow.parquet.read_table", lambda file: pytest.fail("read"))
    with pytest.raises(
        ValueError, match=r"t\.parquet cannot be read as a table: its 100000 rows of 2 columns, \d+ bytes"
    ):
        load(constant, "y")


def test_more_is_read_where_that_is_asked_for(constant: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridle.data.files.SUSPICIOUS", 1 << 20)
    monkeypatch.setenv(MOST, "1")
    assert load(constant, "y").rows["train"] == 60_000
    monkeypatch.setenv(MOST, "0.001")
    with pytest.raises(
        ValueError, match=r"take 0\.00149 GiB or more of memory; .* environment variable BRIDLE_MOST_GIB"
    ):
        load(constant, "y")


def test_nested_values_count_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pd.DataFrame({"a": [[1.0] * 50_000] * 4, "y": [0, 1] * 2}).to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr("bridle.data.files.SUSPICIOUS", 1 << 20)
    with pytest.raises(ValueError, match=r"its 4 rows of 2 columns, .* take 0\.00149 GiB or more"):
        load(tmp_path / "t.parquet", "y")
