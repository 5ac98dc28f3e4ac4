from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bridle.data import load


def test_digits_are_pixels_of_16_split_by_class() -> None:
    data = load("digits")
    assert data.x_train.shape[1:] == (64,)
    assert data.x_train.max() == 1.0
    assert data.rows == {"train": 1079, "valid": 359, "test": 359}
    assert data.classes == tuple("0123456789")
    assert len(data.features) == 64
    shares = [np.bincount(y) / len(y) for _, y in data.splits().values()]
    np.testing.assert_allclose(shares[1], shares[0], atol=0.005)
    assert load("Digits").fingerprint == data.fingerprint


def test_no_row_of_digits_is_in_two_splits() -> None:
    xs = [x for x, _ in load("digits").splits().values()]
    rows = np.concatenate(xs)
    assert len(np.unique(rows, axis=0)) == len(rows) == 1797


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("minst", "neither a data set nor a file or folder named 'minst'; did you mean mnist"),
        ("qqqq", "named 'qqqq'; known are digits, fashion-mnist, kmnist, mnist"),
    ],
)
def test_an_unknown_name_gets_the_nearest_ones(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(name)


def test_a_file_of_another_kind_is_told(tmp_path: Path) -> None:
    (tmp_path / "data.xlsx").write_bytes(b"PK")
    with pytest.raises(
        ValueError, match=r"data.xlsx is of a kind that cannot be read; expected \.csv, \.csv\.gz, \.parq"
    ):
        load(tmp_path / "data.xlsx")


def test_a_target_or_task_that_makes_no_sense_is_told() -> None:
    with pytest.raises(ValueError, match=r"target='digit' names a column of a table, but 'digits' is not a table"):
        load("digits", target="digit")
    with pytest.raises(ValueError, match=r"task must be one of classification, regression"):
        load("digits", task="clustering")


def test_digits_can_be_a_regression() -> None:
    data = load("digits", task="regression")
    assert (data.n_outputs, data.y_train.dtype) == (1, np.float32)


def test_reading_data_does_not_import_torch() -> None:
    code = "import sys, bridle.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
