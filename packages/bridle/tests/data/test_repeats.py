"""Data as split for each repeat, the inner folds of their training rows, and arrays that bridle splits."""

from __future__ import annotations

import datetime
import pickle
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bridle import Data, Splits, load
from bridle.data.idx import read_idx_folder

X = np.arange(120.0).reshape(60, 2)  # the first feature tells the row: twice its number
Y = np.array(["no", "yes", "no"] * 20)
GROUPS = np.arange(60) // 4
DAYS = np.random.default_rng(0).permutation(60)


def rows_of(data: Data) -> dict[str, list[int]]:
    """Return which rows of X each side has."""
    return {side: (x[:, 0] / 2).astype(int).tolist() for side, (x, _) in data.splits().items()}


def test_arrays_are_split_as_a_table_is() -> None:
    data = Data.from_arrays(X, Y)
    rows = rows_of(data)
    assert sorted(chain(*rows.values())) == list(range(60))
    assert data.rows == {"train": 36, "valid": 12, "test": 12}
    assert data.classes == ("no", "yes")
    for side, (_, y) in data.splits().items():
        assert [data.classes[each] for each in y] == Y[rows[side]].tolist()
    assert data.repeat(3) is data
    assert not data.splits_vary
    assert data.source == {}
    assert rows_of(Data.from_arrays(X, Y, splits=Splits(seed=1))) != rows


def test_every_row_of_arrays_is_test_in_one_of_the_folds() -> None:
    data = Data.from_arrays(X, Y, splits="kfold", groups=GROUPS, sample_weight=np.arange(60) + 1.0)
    tested = []
    for number in range(5):
        repeat = data.repeat(number)
        rows = rows_of(repeat)
        tested += rows["test"]
        groups = {side: {GROUPS[row] for row in its} for side, its in rows.items()}
        assert sum(map(len, groups.values())) == 15
        weights = np.array(rows["train"]) + 1.0
        assert repeat.w_train is not None
        np.testing.assert_allclose(repeat.w_train, weights / weights.mean(), rtol=1e-6)
        assert repeat.split_info["repeat"] == number
    assert sorted(tested) == list(range(60))


def test_a_repeat_of_a_repeat_is_that_repeat_and_the_same_one_is_itself() -> None:
    data = Data.from_arrays(X, Y, splits="repeated")
    third = data.repeat(3)
    assert third.splits_vary
    assert third.repeat(3) is third
    assert third.repeat(0).fingerprint == data.fingerprint != third.fingerprint
    assert pickle.loads(pickle.dumps(data)).repeat(3).fingerprint == third.fingerprint


@pytest.mark.parametrize(
    "days",
    [
        DAYS,
        DAYS.tolist(),
        np.datetime64("2020-02-01") + DAYS,
        pd.Series(pd.Timestamp("2020-02-01") + pd.to_timedelta(DAYS, "D"), index=np.arange(60) + 7),
        [datetime.date(2020, 2, 1) + datetime.timedelta(days=int(day)) for day in DAYS],
        [str(np.datetime64("2020-02-01") + day) for day in DAYS],
    ],
)
def test_arrays_are_split_by_times_of_any_kind(days: Any) -> None:
    data = Data.from_arrays(X, Y, time=days)
    rows = rows_of(data)
    assert [sorted(DAYS[its].tolist()) for its in rows.values()] == [
        list(range(36)),
        list(range(36, 48)),
        list(range(48, 60)),
    ]
    last = data.split_info["times"]["test"][1]
    assert last in (59, "2020-03-31")


def test_repeated_times_of_arrays_are_windows_too() -> None:
    data = Data.from_arrays(X, Y, splits="repeated", time=np.arange(60))
    assert data.split_info["folds"] == 5
    assert "every seed has a split of its own (5 windows)" in data.notes[0]
    assert data.repeat(5).split_info["times"] == data.split_info["times"] != data.repeat(1).split_info["times"]


def test_a_class_that_is_in_a_later_part_only_keeps_its_output() -> None:
    labels = np.where(np.arange(60) < 50, Y, "late")
    data = Data.from_arrays(X, labels, time=np.arange(60))
    assert data.classes == ("late", "no", "yes")
    assert any("class 'late' (0 rows of train) cannot be learned" in note for note in data.notes)


def test_what_is_given_is_copied() -> None:
    x, y, weights, times = X.copy(), X[:, 0] * 1.1, np.ones(60), np.arange(60.0)
    data = Data.from_arrays(x, y, splits="kfold", sample_weight=weights, time=times)
    before = data.repeat(1).fingerprint
    x[:] = weights[:] = 7
    y[:] = times[:] = times[::-1].copy()
    assert data.repeat(1).fingerprint == before


def test_amounts_are_split_at_random_and_named_columns_are_kept() -> None:
    frame = pd.DataFrame(X, columns=["row", "other"])
    data = Data.from_arrays(frame, X[:, 0] * 1.1, splits="kfold", name="mine", target="amount", notes=["said"])
    assert (data.task, data.features, data.name, data.target) == ("regression", ("row", "other"), "mine", "amount")
    assert data.notes[0] == data.repeat(1).notes[0] == "said"
    assert data.repeat(1).y_train.tolist() != data.y_train.tolist()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"splits": Splits(groups="g")}, "groups='g' names a column of a table; give from_arrays one entry per row"),
        ({"splits": "folds"}, "there is no split 'folds'"),
        ({"groups": GROUPS[:-1]}, "groups has 59 values for 60 rows; give one per row"),
        ({"groups": [None, *GROUPS[1:]]}, r"groups is missing in 1 row \(0\); every row needs a group"),
        ({"groups": np.zeros((60, 2))}, "groups must have one value for each row"),
        ({"groups": np.zeros(60)}, "'groups' has 1 group, and a split into train, valid and test needs at least 3"),
        ({"time": [np.nan, *DAYS[1:]]}, r"time is missing in 1 row \(0\); every row needs a time"),
        ({"time": Y}, "time must hold dates or numbers, but holds words, such as '(no|yes)'"),
        ({"time": DAYS, "splits": Splits(seed=2)}, "seed is 2, but in the order of 'time' nothing is drawn at random"),
        (
            {"sample_weight": np.ones(59)},
            r"sample_weight must have one weight for each of 60 rows, got the shape \(59,",
        ),
        ({"sample_weight": Y}, "sample_weight must hold positive numbers, got <U3 such as 'no'"),
        ({"sample_weight": -np.ones(60)}, "sample_weight must be positive and finite, but is -1 in 60 rows"),
    ],
)
def test_what_cannot_split_arrays_is_said(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Data.from_arrays(X, Y, **given)


def test_arrays_that_do_not_fit_are_said_by_their_own_names() -> None:
    with pytest.raises(ValueError, match="x has 60 rows, but y has 59; give one target per row"):
        Data.from_arrays(X, Y[:-1])
    with pytest.raises(ValueError, match="y is constant"):
        Data.from_arrays(X, ["no"] * 60)
    shuffled = pd.Series(Y, index=np.arange(60)[::-1])
    with pytest.raises(ValueError, match=r"x and y have different indices .* give y.loc\[x.index\] if rows belong"):
        Data.from_arrays(pd.DataFrame(X), shuffled)


def test_splits_that_are_given_as_such_are_what_they_are() -> None:
    data = Data(X[:40], Y[:40], X[40:], Y[40:], sample_weight=np.arange(40) + 1)
    assert data.repeat(9) is data
    assert not data.splits_vary
    assert data.split_info == {
        "kind": "given",
        "varies": False,
        "weighted": True,
        "leaks": {"rows": {"valid": 0}, "features": {"valid": 0}},
    }
    assert data.w_train is not None
    np.testing.assert_allclose(data.w_train, (np.arange(40) + 1) / 20.5, rtol=1e-6)
    assert data.fingerprint != Data(X[:40], Y[:40], X[40:], Y[40:]).fingerprint


def test_weights_of_any_size_have_mean_1() -> None:
    for weights in (np.full(40, 1e308), np.linspace(1e-320, 1e-318, 40), 1 + np.arange(40) * 2**57):
        data = Data(X[:40], Y[:40], X[40:], Y[40:], sample_weight=weights)
        assert data.w_train is not None
        np.testing.assert_allclose(data.w_train.mean(), 1, rtol=1e-6)


@pytest.mark.parametrize("number", [-1, 1.5, "1", True, None])
def test_a_repeat_has_a_whole_number(number: Any) -> None:
    for data in (Data.from_arrays(X, Y, splits="kfold"), Data(X, Y, X, Y)):
        with pytest.raises(ValueError, match="the number of a repeat must be a whole number from 0 on, got"):
            data.repeat(number)


@pytest.mark.parametrize("folds", [1, 2, 5])
def test_inner_folds_are_of_the_training_rows_alone(folds: int) -> None:
    weights = np.arange(60) + 1.0
    for number in range(3):
        outer = Data.from_arrays(X, Y, splits="repeated", sample_weight=weights).repeat(number)
        known, valid = set(rows_of(outer)["train"]), []
        for fold in range(folds):
            inner = outer.inner(fold, folds)
            rows = rows_of(inner)
            assert set(rows["train"]) | set(rows["valid"]) == known
            assert not set(rows["train"]) & set(rows["valid"])
            assert (inner.x_test, inner.y_test, inner.classes) == (None, None, outer.classes)
            assert [inner.classes[each] for each in inner.y_valid] == Y[rows["valid"]].tolist()
            of_train = weights[rows["train"]]
            assert inner.w_train is not None
            np.testing.assert_allclose(inner.w_train, of_train / of_train.mean(), rtol=1e-5)
            assert inner.fingerprint != outer.fingerprint
            assert inner.repeat(3) is inner
            valid += rows["valid"]
        assert folds == 1 or sorted(valid) == sorted(known)
        assert len(valid) == (9 if folds == 1 else 36)


def test_inner_folds_keep_groups_whole_and_times_in_order() -> None:
    grouped = Data.from_arrays(X, Y, splits="repeated", groups=GROUPS)
    for number in range(5):
        for fold, folds in ((0, 1), (0, 3), (2, 3)):
            sides = [
                {GROUPS[row] for row in its} for its in rows_of(grouped.repeat(number).inner(fold, folds)).values()
            ]
            assert not sides[0] & sides[1]
    timed = Data.from_arrays(X, Y, splits="kfold", time=DAYS)
    for fold, folds in ((0, 1), (0, 3), (2, 3)):
        train, valid = (DAYS[its] for its in rows_of(timed.repeat(4).inner(fold, folds)).values())
        assert train.max() < valid.min()


def test_inner_folds_have_inner_folds() -> None:
    inner = Data.from_arrays(X, Y, groups=GROUPS).inner(0, 3).inner(1, 2)
    sides = [{GROUPS[row] for row in its} for its in rows_of(inner).values()]
    assert all(sides)
    assert not sides[0] & sides[1]


def test_inner_folds_of_given_splits_and_of_amounts() -> None:
    amounts = Data(X[:40], X[:40, 0] * 1.1, X[40:], X[40:, 0] * 1.1)
    assert amounts.inner(0, 1).rows == {"train": 30, "valid": 10, "test": 0}
    inner = amounts.inner(1, 4)
    assert inner.target_scale != amounts.target_scale
    np.testing.assert_allclose(inner.target_scale[0], inner.y_train.mean(), rtol=1e-6)


def test_inner_folds_are_others_than_those_of_the_rows() -> None:
    data = Data.from_arrays(X, Y, splits=Splits("kfold", folds=3))
    rows = rows_of(data)
    assert sorted(rows_of(data.inner(0, 2))["valid"]) != sorted(rows["train"][: len(rows["train"]) // 2])


@pytest.mark.parametrize(
    ("fold", "folds", "says"),
    [
        (0, 0, "folds must be a whole number from 1 on, got 0"),
        (3, 3, "fold must be below folds=3, got 3"),
        (-1, 3, "fold must be a whole number from 0 on, got -1"),
        (0, 10, r"9 groups of 'groups' cannot be dealt to 10 folds, .*; ask for fewer \(folds=\)"),
    ],
)
def test_inner_folds_that_there_are_not_are_refused(fold: int, folds: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Data.from_arrays(X, Y, groups=GROUPS).inner(fold, folds)


def test_an_inner_fold_of_one_class_is_refused() -> None:
    labels = ["no"] * 35 + ["yes"] * 25
    with pytest.raises(
        ValueError, match="the target in the training rows of inner fold 0 is constant: every row has 'no'"
    ):
        Data.from_arrays(X, labels, time=np.arange(60)).inner(0, 5)


FINGERPRINTS = {  # of what bridle 0.1 loaded, when there was one split only
    "digits": "b82f0a496146caa6b45060c9a3db3988dd3b037ea847cd99236df9739ae7dfe5",
    "anneal": "c09c068e757f5af23a0fe9cd67de832dd37c7760e00fcb2b4c0772b31cc0c9ea",
    "car": "0a2b66b5ec060eaa233def5eb984f6699534e3109f5b46355315342e3e8e08a1",
    "concrete": "7db93396b3805f0f7da2f12c80be3b446adf9ef3502c3daeb2ba1e6de6149b23",
}


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_without_options_data_are_to_the_bit_what_they_were(shared_data: Path, name: str) -> None:
    data = load(name) if name == "digits" else load(shared_data / f"tabular/{name}.csv.gz", "target")
    assert data.fingerprint == FINGERPRINTS[name]


def test_the_digits_are_split_anew_as_a_whole() -> None:
    data = load("digits", splits="kfold")
    tested = np.concatenate([data.repeat(number).x_test for number in range(5)])
    every = np.concatenate([x for x, _ in load("digits").splits().values()])
    assert np.unique(tested, axis=0).tolist() == np.unique(every, axis=0).tolist()
    assert load("digits", splits=Splits("repeated")).fingerprint == load("digits").fingerprint
    assert load("digits", splits=Splits(seed=5)).fingerprint != load("digits").fingerprint


@pytest.mark.parametrize("splits", [Splits("repeated"), Splits("kfold", folds=3), Splits(seed=4)])
def test_test_rows_of_a_data_set_stay_what_they_are(tmp_path: Path, write_idx: Any, splits: Splits) -> None:
    write_idx(tmp_path / "mine")
    own = read_idx_folder(tmp_path / "mine", "mine")
    data = load(tmp_path / "mine", splits=splits)
    everything = sorted([*own.x_train.tolist(), *own.x_valid.tolist()])
    drawn = [data.repeat(number) for number in range(3)]
    for repeat in drawn:
        np.testing.assert_array_equal(repeat.x_test, own.x_test)
        assert sorted([*repeat.x_train.tolist(), *repeat.x_valid.tolist()]) == everything
        assert "the 4 test rows are those of the data set: only train and valid are drawn anew" in repeat.notes
        assert repeat.split_info["own_test"]
        assert repeat.rows["valid"] == (4 if splits.kind == "kfold" else 2)
    assert len({repeat.fingerprint for repeat in drawn}) == (3 if splits.varies else 1)
    if splits.kind == "kfold":
        assert sorted(chain(*(repeat.x_valid.tolist() for repeat in drawn))) == everything


def test_the_default_leaves_a_data_set_its_own_valid_rows(tmp_path: Path, write_idx: Any) -> None:
    write_idx(tmp_path / "mine")
    assert load(tmp_path / "mine").fingerprint == read_idx_folder(tmp_path / "mine", "mine").fingerprint
    assert load(tmp_path / "mine").split_info["kind"] == "given"
