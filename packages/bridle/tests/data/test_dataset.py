from __future__ import annotations

import dataclasses
import json
import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_matrix

from bridle.data import Data

X = np.arange(12, dtype=np.float32).reshape(6, 2)
X2 = X[:2] + 1
WORDS = ["b", "a", "b", "a", "c", "c"]


def test_words_become_ids_in_sorted_order() -> None:
    data = Data(X, WORDS, X2, ["c", "a"], X2, ["b", "b"])
    assert data.task == "classification"
    assert data.classes == ("a", "b", "c")
    assert data.y_train.tolist() == [1, 0, 1, 0, 2, 2]
    assert data.y_valid.tolist() == [2, 0]
    assert data.y_test is not None
    assert data.y_test.tolist() == [1, 1]
    assert data.y_train.dtype == np.int64
    assert (data.n_inputs, data.n_outputs) == (2, 3)
    assert data.target_scale == (0.0, 1.0)


def test_whole_numbers_sort_as_numbers_and_are_named_without_a_point() -> None:
    assert Data(X, [10, 2, 2, 10, 1, 1], X2, [1, 2]).classes == ("1", "2", "10")
    assert Data(X, np.array([10, 2, 2, 10, 1, 1], float), X2, [1, 2]).classes == ("1", "2", "10")


@pytest.mark.parametrize(
    ("y_train", "y_valid", "task"),
    [
        ([True, False] * 3, [True, False], "classification"),
        (["u", "v"] * 3, ["u", "v"], "classification"),
        (np.arange(6) % 3, [0, 1], "classification"),
        ([0.0, 1.0] * 3, [0.0, 1.0], "classification"),
        ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [9.0, 7.0], "regression"),
        ([0.5, 1.0] * 3, [0.0, 1.0], "regression"),
        (pd.Series(["u", "v"] * 3, dtype="category"), pd.Series(["u", "v"]), "classification"),
        (pd.Series([1, 2] * 3, dtype="Int64"), [1, 2], "classification"),
    ],
)
def test_the_task_is_told_by_the_targets(y_train: Any, y_valid: Any, task: str) -> None:
    assert Data(X, y_train, X2, y_valid).task == task


def test_a_task_that_may_surprise_is_said() -> None:
    x, y = np.arange(100.0).reshape(50, 2), np.arange(50)
    assert "task: classification (50 whole numbers; task='regression' if they are amounts)" in Data(x, y, x, y).notes
    amounts = Data(x, y.astype(float), x, y.astype(float))
    assert "task: regression (50 whole numbers; task='classification' if they are labels)" in amounts.notes
    for expected in (Data(x, y % 10, x, y % 10), Data(x, y, x, y, task="regression"), Data(x, y / 7, x, y / 7)):
        assert not any("task:" in note for note in expected.notes)


def test_classes_that_are_nearly_the_same_are_said() -> None:
    data = Data(X, ["yes", "Yes", "no"] * 2, X2, ["yes", "no"])
    assert data.classes == ("Yes", "no", "yes")
    assert "classes: 'Yes' and 'yes' are taken as different" in data.notes
    spaces = Data(X, ["yes", "yes ", "no"] * 2, X2, ["yes", "no"])
    assert "classes: 'yes' and 'yes ' are taken as different" in spaces.notes


def test_whole_targets_that_no_float_tells_apart_are_refused() -> None:
    y = np.arange(6) + 2**62
    with pytest.raises(ValueError, match=r"beyond 2\^53, such as 4611686018427387909, .* subtract from all targets"):
        Data(X, y, X2, y[:2], task="regression")
    assert Data(X, y, X2, y[:2]).classes[0] == str(2**62)


def test_task_overrides_what_the_targets_look_like() -> None:
    amounts = Data(X, [1, 2, 3, 1, 2, 3], X2, [7, 8], task="regression")
    assert amounts.y_train.dtype == np.float32
    assert amounts.y_valid.tolist() == [7.0, 8.0]
    assert amounts.classes == ()
    assert amounts.n_outputs == 1
    assert amounts.target_scale == pytest.approx((2.0, math.sqrt(2 / 3)))
    labels = Data(X, [0.5, 1.5] * 3, X2, [0.5, 1.5], task="classification")
    assert labels.classes == ("0.5", "1.5")


@pytest.mark.parametrize(
    "convert",
    [
        np.ndarray.tolist,
        torch.tensor,
        lambda x: pd.DataFrame(x, columns=["one", "two"]),
        lambda x: np.asfortranarray(x.astype(np.float64)),
        lambda x: x.astype(object),
        lambda x: x.astype(np.int16),
    ],
    ids=["lists", "tensors", "pandas", "fortran", "objects", "integers"],
)
def test_inputs_of_any_kind_become_contiguous_float32(convert: Any) -> None:
    data = Data(convert(X), WORDS, convert(X2), WORDS[:2])
    assert data.x_train.dtype == np.float32
    assert data.x_train.flags.c_contiguous
    np.testing.assert_array_equal(data.x_train, X)
    torch.from_numpy(data.x_train)  # warns, which is an error here, where the memory is read-only


def test_later_changes_of_the_callers_arrays_change_nothing() -> None:
    for task in ("classification", "regression"):
        x, y, ids = X.copy(), np.arange(6, dtype=np.float32), np.arange(6) % 2
        data = Data(x, y, x[:2], y[:2], task=task) if task == "regression" else Data(x, ids, x[:2], ids[:2])
        named = Data(x, ids, x[:2], ids[:2], classes=["no", "yes"])
        shown = [each.fingerprint for each in (data, named)]
        for array in (x, y, ids):
            array[:] = 7
        data.__dict__.pop("fingerprint"), named.__dict__.pop("fingerprint")
        assert [each.fingerprint for each in (data, named)] == shown
        assert data.x_train.flags.writeable


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.astype(">f8"),
        lambda x: np.repeat(x, 2, axis=0)[::2],
        lambda x: x[::-1][::-1],
        np.asfortranarray,
        np.ma.array,
        lambda x: torch.tensor(x).half(),
        lambda x: pd.DataFrame(x).astype("Float32"),
        lambda x: pd.DataFrame(x).astype(pd.SparseDtype("float32", 0)),
        lambda x: [[Fraction(value) for value in row] for row in x.astype(float).tolist()],
        lambda x: [[int(value) for value in row] for row in x],
    ],
    ids=[
        "big endian",
        "strided",
        "reversed",
        "fortran",
        "unmasked",
        "half",
        "nullable",
        "sparse frame",
        "fractions",
        "int",
    ],
)
def test_the_numbers_are_those_that_were_given(convert: Any) -> None:
    data = Data(convert(X), WORDS, convert(X2), WORDS[:2])
    np.testing.assert_array_equal(data.x_train, X)
    np.testing.assert_array_equal(data.x_valid, X2)


def test_arrays_in_files_and_read_only_ones_are_copied_not_changed(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r+")
    locked = X2.copy()
    locked.flags.writeable = False
    data = Data(mapped, WORDS, locked, WORDS[:2])
    data.x_train[:] = 9
    data.x_valid[:] = 9
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), X)
    np.testing.assert_array_equal(locked, X2)


def test_labels_are_the_same_whatever_their_type() -> None:
    ids = np.arange(6) % 2
    kept = Data(X, ids, X2, ids[:2])
    for other in (
        ids.astype(float),
        ids.astype(">i2"),
        ids.astype(str),
        [b"0", b"1"] * 3,
        pd.Series(ids, dtype="Int64"),
    ):
        assert Data(X, ids, X2, other[:2]).fingerprint == kept.fingerprint
        assert Data(X, other, X2, ids[:2]).fingerprint == kept.fingerprint


def test_different_labels_keep_different_names() -> None:
    assert Data(X, [b"\xff", b"\xfe"] * 3, X2, [b"\xfe", b"\xff"]).classes == (r"\xfe", r"\xff")
    assert Data(X, [2**70, 2**70 + 1] * 3, X2, [2**70] * 2).classes == (str(2**70), str(2**70 + 1))


def test_column_names_of_a_data_frame_are_kept() -> None:
    assert Data(pd.DataFrame(X, columns=["one", "two"]), WORDS, X2, WORDS[:2]).features == ("one", "two")
    assert Data(X, WORDS, X2, WORDS[:2], features=["p", "q"]).features == ("p", "q")


def test_images_keep_their_axes_and_count_as_flattened() -> None:
    data = Data(np.zeros((4, 1, 3, 3)), [0, 1, 0, 1], np.zeros((2, 1, 3, 3)), [0, 1])
    assert data.x_train.shape == (4, 1, 3, 3)
    assert data.n_inputs == 9


def test_targets_in_one_column_are_flattened() -> None:
    assert Data(X, np.array(WORDS)[:, None], X2, [["a"], ["b"]]).y_valid.tolist() == [0, 1]


def test_given_classes_name_ids_or_words() -> None:
    ids = Data(X, [0, 1] * 3, X2, [0, 1], classes=["no", "yes"])
    words = Data(X, ["no", "yes"] * 3, X2, ["no", "yes"], classes=["no", "yes"])
    assert ids.classes == words.classes == ("no", "yes")
    assert ids.fingerprint == words.fingerprint
    with pytest.raises(ValueError, match=r"y_valid must hold ids 0 \.\.\. 1 of the 2 classes, got 2"):
        Data(X, [0, 1] * 3, X2, [0, 2], classes=["no", "yes"])


def test_the_splits_are_those_that_were_given() -> None:
    data = Data(X, WORDS, X2, WORDS[:2])
    assert list(data.splits()) == ["train", "valid"]
    assert list(Data(X, WORDS, X2, WORDS[:2], X2, WORDS[:2]).splits()) == ["train", "valid", "test"]
    assert data.splits()["valid"][0] is data.x_valid


def test_data_cannot_be_changed_by_assignment() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Data(X, WORDS, X2, WORDS[:2]).task = "regression"  # type: ignore[misc]  # that is the test


def test_the_description_is_plain_json() -> None:
    data = Data(X, WORDS, X2, WORDS[:2], name="toy", target="letter")
    description = json.loads(json.dumps(data.describe()))
    assert description == {
        "name": "toy",
        "task": "classification",
        "target": "letter",
        "rows": {"train": 6, "valid": 2, "test": 0},
        "features": 2,
        "outputs": 3,
        "classes": ["a", "b", "c"],
        "fingerprint": data.fingerprint,
        "columns": [],
    }


def test_the_fingerprint_follows_content_and_task_only() -> None:
    one = Data(X, [1, 2] * 3, X2, [1, 2], name="one")
    assert one.fingerprint == Data(X.tolist(), [1, 2] * 3, X2, [1, 2], name="two").fingerprint
    others = [
        Data(X, [1, 2] * 3, X2, [1, 2], task="regression"),
        Data(X + 1, [1, 2] * 3, X2, [1, 2]),
        Data(X, [1, 2] * 3, X2, [2, 2]),
        Data(X, [1, 2] * 3, X2, [1, 2], X2, [1, 2]),
        Data(X.reshape(6, 1, 2), [1, 2] * 3, X2.reshape(2, 1, 2), [1, 2]),
    ]
    prints = {each.fingerprint for each in (one, *others)}
    assert len(prints) == 6
    assert all(len(each) == 64 for each in prints)


NAN, INF = float("nan"), float("inf")
STRUCTURED = np.array([(1.0, 2.0)] * 6, dtype=[("p", "f4"), ("q", "f4")])


class Unreadable:
    """Fails in its own way where it is asked for an array."""

    def __array__(self, *args: Any, **options: Any) -> np.ndarray:
        raise KeyError("unreadable")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((X, WORDS[:5], X2, WORDS[:2]), "x_train has 6 rows, but y_train has 5"),
        ((X, WORDS, X2[:, :1], WORDS[:2]), r"the rows of x_valid have shape \(1,\), those of x_train \(2,\)"),
        (
            (X[:, 0], WORDS, X2, WORDS[:2]),
            r"x_train must have shape \(rows, features\) or \(rows, \.\.\.\), got \(6,\)",
        ),
        ((X, X, X2, X2), r"y_train must have shape \(rows,\), one target per row, got \(6, 2\)"),
        ((X, WORDS, X2[:0], []), "x_valid has no rows"),
        ((X[:, :0], WORDS, X2[:, :0], WORDS[:2]), "x_train has no features"),
        (([["x", 1]] * 6, WORDS, X2, WORDS[:2]), "x_train must hold numbers, got <U21 such as 'x'; encode it"),
        (([[2.5, "x"]] * 6, WORDS, X2, WORDS[:2]), "x_train must hold numbers, got <U32 such as 'x'"),
        ((np.array([["x", None]] * 6), WORDS, X2, WORDS[:2]), "x_train must hold numbers, got object such as 'x'"),
        ((X.astype(complex), WORDS, X2, WORDS[:2]), "x_train must hold numbers, got complex128 such as 0j"),
        ((X.astype("datetime64[ns]"), WORDS, X2, WORDS[:2]), "x_train must hold numbers, got datetime64"),
        (([[1], [1, 2]], WORDS, X2, WORDS[:2]), "x_train cannot be read as an array: "),
        ((torch.ones(6, 2, requires_grad=True), WORDS, X2, WORDS[:2]), "x_train cannot be read as an array: "),
        ((7, WORDS, X2, WORDS[:2]), "x_train must be an array with one entry per row, got int"),
        (([[{}, {}]] * 6, WORDS, X2, WORDS[:2]), "x_train must hold numbers, got dict such as {}"),
        ((X, WORDS, [[1, NAN], [INF, 1]], WORDS[:2]), r"x_valid must be finite .* in 2 rows \(0, 1\)"),
        ((X, WORDS, [[1, None], [1, 1]], WORDS[:2]), r"x_valid must be finite .* in 1 row \(0\)"),
        (
            (X, WORDS, np.vstack([X2] * 3).astype(float) * 1e300, WORDS),
            r"x_valid must be finite in float32, .* in 6 rows \(0, 1, 2, 3, 4 and 1 more",
        ),
        ((X, WORDS, X2, ["a", "d"]), "y_valid has the label 'd', which never occurs in y_train"),
        ((X, [1, 2] * 3, X2, [3, 4]), "y_valid has the labels '3', '4', which never .* task='regression'"),
        ((X, ["a"] * 6, X2, ["a"] * 2), "y_train is constant: every row has 'a'"),
        ((X, [2.5] * 6, X2, [1.0, 2.0]), "y_train is constant: every row has 2.5"),
        ((X, ["a", None] * 3, X2, ["a"] * 2), r"y_train is missing in 3 rows \(1, 3, 5\)"),
        ((X, [0.5, NAN] * 3, X2, [0.5, 0.5]), r"y_train is missing in 3 rows \(1, 3, 5\)"),
        ((X, [0.5, 1.5] * 3, X2, [INF, 0.5]), r"y_valid is infinite in 1 row \(0\)"),
        ((X, [0.5, 1.5] * 3, X2, [1e300, 0.5]), r"y_valid in float32 is infinite in 1 row"),
        ((X, [{}] * 6, X2, [{}] * 2), "y_train must hold numbers or words, got dict"),
        ((X, X[:, 0].astype("datetime64[D]"), X2, [1, 2]), "y_train must hold numbers or words, got datetime64"),
        (
            (X, ["1", "0"] * 3, X2, [True, False]),
            "y_valid has the labels 'False', 'True', which never occur in y_train",
        ),
        ((X, [0, 1] * 3, X2, [0.5, 1.0]), "y_valid has the label '0.5', which never occurs in y_train"),
        ((np.ma.array(X, mask=X == 5), WORDS, X2, WORDS[:2]), r"x_train has masked values in 1 row \(2\); fill or"),
        ((list(np.ma.array(X, mask=X == 5)), WORDS, X2, WORDS[:2]), r"x_train has masked values in 1 row \(2\)"),
        ((X, WORDS, np.ma.array(X2, mask=True), WORDS[:2]), r"x_valid has masked values in 2 rows \(0, 1\)"),
        (
            (X, np.ma.array([0, 1] * 3, mask=np.isin(range(6), [3, 5])), X2, [0, 1]),
            r"y_train has masked values in 2 rows",
        ),
        ((csr_matrix(X), WORDS, X2, WORDS[:2]), r"x_train is sparse \(csr_matrix\); give x_train\.toarray\(\)"),
        (
            (STRUCTURED, WORDS, X2, WORDS[:2]),
            "x_train is a structured array with the fields p, q; give pandas.DataFrame",
        ),
        ((X, STRUCTURED, X2, WORDS[:2]), "y_train is a structured array with the fields p, q"),
        ((torch.tensor(X).bfloat16(), WORDS, X2, WORDS[:2]), r"BFloat16; give x_train\.detach\(\)\.cpu\(\)\.float"),
        ((torch.empty(6, 2, device="meta"), WORDS, X2, WORDS[:2]), "x_train cannot be read as an array: .*meta"),
        ((Unreadable(), WORDS, X2, WORDS[:2]), "x_train cannot be read as an array: 'unreadable'"),
        (([[10**5000, 1]] * 6, WORDS, X2, WORDS[:2]), "x_train must be finite in float32"),
        (([[Decimal(1), 1]] * 6, WORDS, X2, WORDS[:2]), "x_train must hold numbers, got Decimal such as"),
        (
            (pd.DataFrame({"a": pd.array([1, None] * 3)}), WORDS, X2[:, :1], WORDS[:2]),
            "x_train must be finite .* 3 rows",
        ),
        ((None, WORDS, X2, WORDS[:2]), "y_train was given without x_train; give both"),
        ((X, WORDS, None, None), "x_valid and y_valid are None; only the test split may be absent"),
        ((X, WORDS, X2, WORDS[:2], X2), "x_test was given without y_test"),
        ((X, WORDS, X2, WORDS[:2], None, WORDS[:2]), "y_test was given without x_test"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(arrays: tuple[Any, ...], message: str) -> None:
    with np.errstate(over="ignore"), pytest.raises(ValueError, match=message):
        Data(*arrays)


def test_options_that_make_no_sense_are_refused() -> None:
    good: tuple[Any, ...] = (X, WORDS, X2, WORDS[:2])
    with pytest.raises(ValueError, match=r"task must be one of classification, regression"):
        Data(*good, task="ranking")
    with pytest.raises(ValueError, match=r"got 3 feature names for 2 features"):
        Data(*good, features=["a", "b", "c"])
    wrong: dict[str, Any]
    for lists in ("classes", "features", "notes"):
        for wrong in ({lists: "ab"}, {lists: 3}):
            with pytest.raises(ValueError, match=f"{lists} must be a list of texts, got {wrong[lists]!r}"):
                Data(*good, **wrong)
    for texts in ("name", "target"):
        wrong = {texts: 3}
        with pytest.raises(ValueError, match=f"{texts} must be a text, got 3"):
            Data(*good, **wrong)
    with pytest.raises(ValueError, match=r"classes has twice the name 'a'"):
        Data(*good, classes=["a", "b", "a"])
    with pytest.raises(ValueError, match=r"y_train must hold numbers for a regression, got 'b'"):
        Data(*good, task="regression")
    with pytest.raises(ValueError, match=r"a regression has no classes"):
        Data(X, X[:, 0], X2, X2[:, 0], task="regression", classes=["a", "b"])


@pytest.mark.parametrize(
    ("row", "said"), [((6, 5, 3), True), ((6, 6, 1), True), ((3, 6, 5), False), ((1, 6, 4), False)]
)
def test_images_whose_channels_seem_to_stand_last_are_told(row: tuple[int, ...], said: bool) -> None:
    x = np.random.default_rng(0).random((20, *row))
    notes = Data(x[:12], [0, 1] * 6, x[12:], [0, 1] * 4).notes
    sentence = f"rows of shape {row} are taken as {row[0]} channels of {row[1]} x {row[2]} pixels"
    assert any(note.startswith(sentence) for note in notes) == said
