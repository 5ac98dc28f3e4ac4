from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
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


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (b"digits", "expected the name of a data set or the path .* got bytes"),
        (None, "got NoneType; arrays and tables in memory go to bridle.Data"),
        (3, "got int"),
        (io.BytesIO(b"a,b"), "got BytesIO"),
        (
            pd.DataFrame({"a": [1]}),
            r"got DataFrame; arrays and tables in memory go to bridle.Data.from_arrays\(x, y\), which splits them",
        ),
        ("", "'' is neither the name of a data set nor a path; known are digits"),
        ("x\0.csv", r"'x\\x00.csv' is neither the name"),
        ("x" * 5000, r"^x{200}\.\.\. cannot be read: File name too long"),
        ("x" * 5000 + ".csv", "cannot be read: File name too long"),
        ("~no_such_user_here/x.csv", "~no_such_user_here/x.csv cannot be read: Could not determine home"),
        ("https://example.org/x.csv", "is an address on the web; download the file and give its path"),
        ("/dev/null", "/dev/null is of a kind that cannot be read"),
    ],
)
def test_what_is_neither_a_name_nor_a_path_is_told(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": 3}, "target must be the name of a column, as text, got 3"),
        ({"target": ["digit"]}, "target must be the name of a column"),
        ({"task": 5}, "task must be one of classification, regression, .* got 5"),
        ({"task": np.array(["classification", "regression"])}, "task must be one of classification"),
    ],
)
def test_an_option_of_the_wrong_type_is_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load("digits", **options)


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        (5, "--data-dir must be the path of a folder, as text or pathlib.Path, got 5"),
        (b"data", "--data-dir must be the path of a folder"),
        ("", "there is no folder '', which --data-dir names"),
        ("x" * 5000, "the folder that --data-dir names cannot be read: .*File name too long"),
        ("~no_such_user_here", "the folder that --data-dir names cannot be read: Could not determine home"),
    ],
)
def test_a_data_folder_that_is_none_is_told(folder: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load("mnist", data_dir=folder)


def test_the_variable_of_the_data_folder_must_name_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("a file")
    monkeypatch.setenv("BRIDLE_DATA", str(tmp_path / "file"))
    with pytest.raises(ValueError, match=r"there is no folder .*file, which BRIDLE_DATA names"):
        load("mnist")


def test_digits_can_be_a_regression() -> None:
    data = load("digits", task="regression")
    assert data.n_outputs == 1 and data.y_train.dtype == np.float32


def test_reading_data_does_not_import_torch() -> None:
    code = "import sys, bridle.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
