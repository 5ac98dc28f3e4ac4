from __future__ import annotations

from pathlib import Path

import numpy as np
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


def test_many_numbers_in_words_are_numbers_though_declared_as_categories(tmp_path: Path) -> None:
    """As pandas keeps words in few bytes: each would be a category that is met once."""
    amounts = np.arange(150) * 1.5
    labels = ["high" if value > 100 else "low" for value in amounts]
    words = pd.Categorical([f"{value:.1f}".replace(".", ",") for value in amounts])
    pd.DataFrame({"x": words, "y": labels}).to_parquet(tmp_path / "words.parquet")
    pd.DataFrame({"x": amounts, "y": labels}).to_parquet(tmp_path / "numbers.parquet")
    read, plain = (load(tmp_path / f"{name}.parquet", target="y") for name in ("words", "numbers"))
    assert read.columns[0].kind == "number"
    np.testing.assert_array_equal(read.x_train, plain.x_train)
