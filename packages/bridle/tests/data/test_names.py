from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bridle.data import Data, load

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(12, 3)), columns=["a", "b", "c"])
TRAIN, VALID, TEST = FRAME[:6], FRAME[6:9], FRAME[9:]
Y = [0, 1] * 3


@pytest.mark.parametrize("order", [["c", "b", "a"], ["b", "c", "a"], ["a", "c", "b"]])
def test_columns_of_every_split_are_matched_by_name(order: list[str]) -> None:
    data = Data(TRAIN, Y, VALID[order], Y[:3], TEST[order], Y[:3])
    assert data.features == ("a", "b", "c")
    np.testing.assert_array_equal(data.x_valid, VALID.to_numpy(np.float32))
    np.testing.assert_array_equal(data.x_test, TEST.to_numpy(np.float32))
    assert [note.partition(" were ")[0] for note in data.notes] == ["the columns of x_valid", "the columns of x_test"]
    assert data.fingerprint == Data(TRAIN, Y, VALID, Y[:3], TEST, Y[:3]).fingerprint
    assert Data(TRAIN, Y, VALID, Y[:3]).notes == ()


def test_tables_of_arrow_have_names_too() -> None:
    data = Data(arrow(TRAIN), Y, arrow(VALID[["b", "c", "a"]]), Y[:3])
    assert data.features == ("a", "b", "c")
    np.testing.assert_array_equal(data.x_valid, VALID.to_numpy(np.float32))


def arrow(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


def test_numbered_columns_have_an_order_too_if_it_is_another() -> None:
    numbered = FRAME.set_axis([0, 1, 2], axis=1)
    data = Data(numbered[:6], Y, numbered[6:9][[2, 0, 1]], Y[:3])
    np.testing.assert_array_equal(data.x_valid, VALID.to_numpy(np.float32))


def test_names_that_were_given_for_arrays_count_as_well() -> None:
    data = Data(TRAIN.to_numpy(), Y, VALID[["c", "a", "b"]], Y[:3], features=["a", "b", "c"])
    np.testing.assert_array_equal(data.x_valid, VALID.to_numpy(np.float32))


@pytest.mark.parametrize("valid", [VALID.to_numpy(), VALID.set_axis([0, 1, 2], axis=1), VALID.to_numpy().tolist()])
def test_columns_without_names_go_by_their_place(valid: Any) -> None:
    data = Data(TRAIN, Y, valid, Y[:3])
    np.testing.assert_array_equal(data.x_valid, VALID.to_numpy(np.float32))
    assert data.features == ("a", "b", "c")


def test_columns_can_be_renamed() -> None:
    assert Data(TRAIN, Y, VALID, Y[:3], features=["x", "y", "z"]).features == ("x", "y", "z")


@pytest.mark.parametrize(
    ("valid", "message"),
    [
        (VALID.rename(columns={"b": "q"}), "the columns of x_valid are not those of x_train: it lacks 'b' and has 'q'"),
        (VALID[["a", "b"]], "it lacks 'c'; give all splits the same"),
        (VALID.assign(d=1), "it has 'd'; give all splits the same"),
        (VALID.set_axis(["a", "b", "b"], axis=1), "x_valid has two columns named 'b'"),
    ],
)
def test_other_columns_are_refused(valid: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Data(TRAIN, Y, valid, Y[:3])
    with pytest.raises(ValueError, match=message.replace("x_valid", "x_test")):
        Data(TRAIN, Y, VALID, Y[:3], valid, Y[:3])


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (["b", "a", "c"], "features has the names of x_train's columns in another order"),
        (["a", "a", "c"], "features has twice the name 'a'"),
        (["a", "b"], "got 2 feature names for 3 features"),
    ],
)
def test_feature_names_that_do_not_fit_are_refused(features: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Data(TRAIN, Y, VALID, Y[:3], features=features)


@pytest.mark.parametrize(
    "index", [[5, 4, 3, 2, 1, 0], [1, 2, 3, 4, 5, 6], list("abcdef")], ids=["another order", "shifted", "words"]
)
@pytest.mark.parametrize("box", [pd.Series, pd.DataFrame])
def test_targets_with_another_index_are_refused(index: list[Any], box: Any) -> None:
    with pytest.raises(
        ValueError, match=r"x_train and y_train have different indices \(row 0: 0 and .*y_train\.to_numpy"
    ):
        Data(TRAIN, box(Y, index=index), VALID, Y[:3])


def test_rows_that_were_shuffled_together_are_right() -> None:
    shuffled = TRAIN.sample(frac=1, random_state=1)
    data = Data(shuffled, pd.Series(Y).loc[shuffled.index], VALID, pd.Series(Y[:3], index=VALID.index))
    assert data.y_train.tolist() == [Y[row] for row in shuffled.index]


def test_a_column_named_as_what_is_made_of_another_keeps_a_name_of_its_own(tmp_path: Path) -> None:
    rows = "".join(f"{'' if k % 5 == 0 else k * k % 17},{k * 7 % 13},{'ab'[k % 2]}\n" for k in range(100))
    (tmp_path / "t.csv").write_text("age,age is missing,y\n" + rows)
    assert load(tmp_path / "t.csv", "y").features == ("age", "age is missing", "age is missing (2)")
