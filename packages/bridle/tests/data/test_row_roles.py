"""Columns of a table that say something of its rows: groups, times, the split itself, weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bridle import Splits, load
from bridle.data import Data

ROWS = 60
RANDOM = np.random.default_rng(0)
PATIENTS = [f"p{number}" for number in RANDOM.integers(0, 12, ROWS)]
DAYS = [f"2021-{1 + number // 28:02d}-{1 + number % 28:02d}" for number in RANDOM.integers(0, 80, ROWS)]
SIDES = RANDOM.permutation(["Train"] * 36 + [" validation"] * 6 + ["dev"] * 3 + ["val"] * 3 + ["TEST"] * 12)
LABELS = RANDOM.permutation(["no", "yes"] * 30)


def table(**changed: Any) -> pd.DataFrame:
    """Return a table with a row's own number as its only feature; a column that is None is left out."""
    columns: dict[str, Any] = {
        "patient": PATIENTS,
        "day": DAYS,
        "fold": SIDES,
        "weight": np.round(RANDOM.uniform(0.5, 3, ROWS), 2),
        "size": np.arange(ROWS) * 1.5 + 0.25,
        "y": LABELS,
    }
    return pd.DataFrame({name: each for name, each in (columns | changed).items() if each is not None})


def write(path: Path, **changed: Any) -> str:
    """Write the table as a file and return its name."""
    table(**changed).to_csv(path / "t.csv", index=False)
    return str(path / "t.csv")


def rows_of(data: Data) -> dict[str, np.ndarray]:
    """Return which rows of the table each side has, by their only feature; the training rows set its scale."""
    place = data.features.index("size")
    scaled = np.concatenate([x[:, place] for x, _ in data.splits().values()])
    number = np.argsort(np.argsort(scaled))
    ends = np.cumsum([len(x) for x, _ in data.splits().values()])[:-1]
    return dict(zip(data.splits(), np.split(number, ends), strict=True))


@pytest.mark.parametrize("kind", ["holdout", "repeated", "kfold"])
def test_no_patient_is_on_two_sides_and_the_column_is_no_feature(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path)
    data = load(path, "y", splits=Splits(kind, groups="patient"))
    for number in range(6):
        repeat = data.repeat(number)
        patients = {side: {PATIENTS[row] for row in rows} for side, rows in rows_of(repeat).items()}
        assert sum(map(len, patients.values())) == 12
        assert repeat.split_info["group_counts"] == {side: len(its) for side, its in patients.items()}
        assert repeat.split_info["leaks"]["groups"] == {"valid": 0, "test": 0}
    assert not [name for name in data.features if name.startswith("patient")]
    column = next(each for each in data.columns if each.name == "patient")
    assert (column.kind, column.features) == ("dropped", 0)
    assert "column patient is left out: it says which rows belong together" in data.notes
    assert [each.name for each in data.columns] == ["patient", "day", "fold", "weight", "size"]


def test_rows_are_split_in_the_order_of_dates(tmp_path: Path) -> None:
    data = load(write(tmp_path), "y", splits=Splits(time="day"))
    days = {side: sorted(DAYS[row] for row in rows) for side, rows in rows_of(data).items()}
    assert days["train"][-1] < days["valid"][0] <= days["valid"][-1] < days["test"][0]
    assert data.split_info["times"] == {side: [its[0], its[-1]] for side, its in days.items()}
    assert data.split_info["leaks"]["time"] == {"valid": 0, "test": 0}
    assert f"times by 'day': train {days['train'][0]} to {days['train'][-1]}, " in " ".join(data.notes)
    column = next(each for each in data.columns if each.name == "day")
    assert (column.kind, column.done) == ("dropped", ("dates as days since 1970-01-01",))
    assert "day" not in data.features
    assert data.repeat(3) is data


def test_dates_are_put_in_order_as_they_are_meant_and_not_as_they_are_written(tmp_path: Path) -> None:
    written = [f"{1 + number % 28}.{1 + number // 28}.2021" for number in range(ROWS)]
    order = np.random.default_rng(1).permutation(ROWS)
    path = write(tmp_path, day=[written[row] for row in order])
    rows = rows_of(load(path, "y", splits=Splits(time="day")))
    assert order[rows["train"]].max() == 35
    assert order[rows["valid"]].tolist() == sorted(order[rows["valid"]], key=order.tolist().index)
    assert set(order[rows["test"]].tolist()) == set(range(48, 60))


def test_numbers_and_times_of_day_can_be_the_order(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(ROWS)
    for values in (order * 2.5 - 7, [f"{7 + minute // 60:02d}:{minute % 60:02d}" for minute in order]):
        rows = rows_of(load(write(tmp_path, day=values), "y", splits=Splits("kfold", folds=3, time="day")).repeat(2))
        assert order[rows["test"]].min() > order[rows["valid"]].max() > order[rows["train"]].max()


def test_a_date_says_the_time_of_day_where_there_is_one(tmp_path: Path) -> None:
    stamps = [f"2021-03-04 {row // 10:02d}:{6 * (row % 10):02d}" for row in range(ROWS)]
    times = load(write(tmp_path, day=stamps), "y", splits=Splits(time="day")).split_info["times"]
    assert times == {
        "train": ["2021-03-04", "2021-03-04 3:30:00"],
        "valid": ["2021-03-04 3:36:00", "2021-03-04 4:42:00"],
        "test": ["2021-03-04 4:48:00", "2021-03-04 5:54:00"],
    }


def test_the_column_of_the_user_is_the_split(tmp_path: Path) -> None:
    data = load(write(tmp_path), "y", splits=Splits(column="fold"))
    words = np.array([word.strip().lower() for word in SIDES])
    for side, known in (("train", ["train"]), ("valid", ["validation", "val", "dev"]), ("test", ["test"])):
        np.testing.assert_array_equal(rows_of(data)[side], np.flatnonzero(np.isin(words, known)))
    assert data.split_info["kind"] == "column"
    assert data.repeat(7) is data
    assert not data.splits_vary


def test_a_column_need_not_name_test_rows(tmp_path: Path) -> None:
    data = load(write(tmp_path, fold=["train"] * 40 + ["valid"] * 20), "y", splits=Splits(column="fold"))
    assert data.rows == {"train": 40, "valid": 20, "test": 0}
    assert data.x_test is None


def test_leaks_of_a_split_of_ones_own_are_counted_and_said(tmp_path: Path) -> None:
    splits = Splits(column="fold", groups="patient", time="day")
    data = load(write(tmp_path), "y", splits=splits)
    rows = rows_of(data)
    known = {PATIENTS[row] for row in rows["train"]}
    leaks = {side: sum(PATIENTS[row] in known for row in rows[side]) for side in ("valid", "test")}
    later = {
        side: sum(DAYS[row] > min(DAYS[each] for each in rows[side]) for row in rows["train"])
        for side in ("valid", "test")
    }
    assert all(leaks.values())
    assert all(later.values())
    assert data.split_info["leaks"]["groups"] == leaks
    assert data.split_info["leaks"]["time"] == later
    said = " ".join(data.notes)
    assert (
        f"a leak: {leaks['valid']} rows of valid and {leaks['test']} rows of test belong to groups of 'patient'" in said
    )
    assert f"({later['valid']} than the first row of valid, {later['test']} than the first row of test)" in said


def test_weights_have_mean_1_over_the_training_rows_of_each_repeat(tmp_path: Path) -> None:
    weights = np.round(np.random.default_rng(3).uniform(0.1, 9, ROWS), 3)
    data = load(write(tmp_path, weight=weights), "y", splits="kfold", weights="weight")
    for number in range(3):
        repeat = data.repeat(number)
        of_train = weights[rows_of(repeat)["train"]]
        assert repeat.w_train is not None
        assert repeat.w_train.dtype == np.float32
        np.testing.assert_allclose(repeat.w_train, of_train / of_train.mean(), rtol=1e-6)
    assert data.split_info["weighted"]
    assert "weight" not in data.features
    assert data.source["weights"] == "weight"
    plain = load(write(tmp_path, weight=weights), "y", splits="kfold")
    assert plain.w_train is None
    assert not plain.split_info["weighted"]


def test_weights_change_the_fingerprint_and_nothing_else_of_the_arrays(tmp_path: Path) -> None:
    path = write(tmp_path)
    plain = load(write(tmp_path, weight=None), "y")
    weighted = load(write(tmp_path), "y", weights="weight")
    np.testing.assert_array_equal(plain.x_train, weighted.x_train)
    assert plain.fingerprint != weighted.fingerprint
    assert weighted.fingerprint == load(path, "y", weights="weight").fingerprint


def test_what_was_loaded_is_loaded_again_from_its_source(tmp_path: Path) -> None:
    path = write(tmp_path)
    for asked in (
        {},
        {"splits": Splits("kfold", seed=4, folds=4, groups="patient"), "weights": "weight"},
        {"splits": Splits(column="fold"), "categorical": ["day"]},
    ):
        first = load(path, "y", **asked)  # type: ignore[arg-type]
        source = dict(first.source)
        again = load(source.pop("path"), **source)
        assert again.fingerprint == first.fingerprint
        assert again.source == first.source
        assert again.repeat(1).fingerprint == first.repeat(1).fingerprint
        assert first.repeat(1).source == first.source
    assert "splits" not in load(path, "y").source


def test_columns_are_prepared_by_the_training_rows_of_each_repeat(tmp_path: Path) -> None:
    words = ["rare" if row == 7 else "ab"[row % 2] for row in range(ROWS)]
    holes = [None if row % 3 == 0 else float(row) for row in range(ROWS)]
    data = load(write(tmp_path, word=words, hole=holes), "y", splits="kfold")
    for number in range(6):
        repeat = data.repeat(number)
        for name in ("size", "hole"):
            np.testing.assert_allclose(repeat.x_train[:, repeat.features.index(name)].mean(), 0, atol=1e-6)
        assert ("word=rare" in repeat.features) == (7 in rows_of(repeat)["train"])
    assert len({data.repeat(number).x_train.shape[1] for number in range(5)}) > 1


def test_parquet_has_dates_and_groups_of_any_type(tmp_path: Path) -> None:
    days = pd.to_datetime(DAYS)
    for groups in (pd.Categorical(PATIENTS), [int(each[1:]) for each in PATIENTS], [f"{each} " for each in PATIENTS]):
        table(day=days, patient=groups).to_parquet(tmp_path / "t.parquet")
        data = load(tmp_path / "t.parquet", "y", splits=Splits(groups="patient"))
        assert sum(data.split_info["group_counts"].values()) == 12
    data = load(tmp_path / "t.parquet", "y", splits=Splits(time="day"))
    assert data.split_info["times"]["train"][0] == min(DAYS)


def with_gaps(values: Any, *rows: int) -> list[Any]:
    """Return the values with gaps at some rows."""
    return [None if row in rows else value for row, value in enumerate(list(values))]


@pytest.mark.parametrize(
    ("changed", "asked", "says"),
    [
        (
            {"patient": with_gaps(PATIENTS, 3, 8)},
            {"splits": Splits(groups="patient")},
            r"column 'patient' \(rows counted from 1\) is missing in 2 rows \(4, 9\); every row needs a group",
        ),
        (
            {"patient": ["NA", *PATIENTS[1:]]},
            {"splits": Splits(groups="patient")},
            r"column 'patient' .* is missing in 1 row \(1\)",
        ),
        (
            {"day": with_gaps(DAYS, 0)},
            {"splits": Splits(time="day")},
            r"column 'day' .* is missing in 1 row \(1\); every row needs a time",
        ),
        (
            {"day": ["soon", *DAYS[1:]]},
            {"splits": Splits(time="day")},
            r"column 'day' .* is missing in 1 row \(1\); 'soon' in 1 row, no date, taken for missing; every row",
        ),
        (
            {},
            {"splits": Splits(time="patient")},
            "column 'patient' .* must hold dates or numbers, but holds words, such as 'p10'",
        ),
        (
            {"day": [f"0{1 + row % 9}/0{1 + row // 9 % 9}/2021" for row in range(ROWS)]},
            {"splits": Splits(time="day")},
            r"but holds words, such as .*; dates whose day and month cannot be told apart \(0",
        ),
        ({"day": ["2021-01-01"] * ROWS}, {"splits": Splits(time="day")}, "'day' has 1 different time, and 3 parts"),
        (
            {"weight": with_gaps(np.ones(ROWS), 1, 2)},
            {"weights": "weight"},
            r"column 'weight' .* is missing in 2 rows \(2, 3\); every row needs a weight",
        ),
        (
            {"weight": [0.0, *np.ones(ROWS - 1)]},
            {"weights": "weight"},
            r"column 'weight' .* must be positive and finite, but is 0 in 1 row \(1\); leave out rows",
        ),
        ({"weight": [-2, *np.ones(ROWS - 1)]}, {"weights": "weight"}, r"but is -2 in 1 row \(1\)"),
        ({}, {"weights": "patient"}, "column 'patient' .* must hold positive numbers, but holds words, such as 'p10'"),
        ({}, {"weights": "day"}, "column 'day' .* must hold positive numbers, but holds dates"),
        (
            {"weight": [1e-300, *np.ones(ROWS - 1)]},
            {"weights": "weight"},
            "reaches from 1e-300 to 1, so far that float32 makes 0 of the least",
        ),
        (
            {"fold": ["holdout", *SIDES[1:]]},
            {"splits": Splits(column="fold")},
            r"column 'fold' .* must say train, valid \(validation, val, dev\) or test, but says 'holdout' in 1 row",
        ),
        (
            {"fold": with_gaps(SIDES, 5)},
            {"splits": Splits(column="fold")},
            r"column 'fold' .* is missing in 1 row \(6\); it must say train, valid or test",
        ),
        ({"fold": ["train", "test"] * 30}, {"splits": Splits(column="fold")}, "says 'valid' of no row; a comparison"),
        ({}, {"splits": Splits(groups="patients")}, "groups: there is no column 'patients'; did you mean patient"),
        ({}, {"weights": "wait"}, "weights: there is no column 'wait'"),
        ({}, {"splits": Splits(groups="y")}, "groups names the target 'y'; it needs a column of its own"),
        ({}, {"splits": Splits(groups="fold"), "weights": "fold"}, "weights and groups both name the column 'fold'"),
        (
            {name: None for name in ("day", "fold", "weight", "size")},
            {"splits": Splits(groups="patient")},
            r"has no features: its only column is the target 'y', 'patient' \(groups\)",
        ),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, changed: dict[str, Any], asked: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        load(write(tmp_path, **changed), "y", **asked)


def test_an_error_of_a_later_repeat_names_it(tmp_path: Path) -> None:
    drawn = [load(write(tmp_path), "y", splits="kfold").repeat(number) for number in range(5)]
    tested = rows_of(drawn[3])["test"]
    varied = ["1" if row in tested else "0" for row in range(ROWS)]
    path = write(tmp_path, size=None, day=None, patient=None, weight=None, fold=varied, y=LABELS)
    data = load(path, "y", splits="kfold")
    with pytest.raises(ValueError, match="repeat 3 of the split: no feature is left: the one column beside the target"):
        data.repeat(3)


def test_training_rows_of_one_class_are_refused_with_a_way_out(tmp_path: Path) -> None:
    path = write(tmp_path, day=np.arange(ROWS), y=["a"] * 25 + ["b"] * 35)
    with pytest.raises(ValueError, match="the 15 training rows of this split are all of one class of the target"):
        load(path, "y", splits=Splits("kfold", time="day", folds=2))


@pytest.mark.parametrize("name", ["digits", "mnist"])
@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"splits": Splits(groups="patient")}, "groups='patient' names a column of a table"),
        ({"splits": Splits(column="fold")}, "column='fold' names a column of a table"),
        ({"weights": "w"}, "weights='w' names a column of a table"),
    ],
)
def test_what_is_no_table_has_no_columns(name: str, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=f"{says}, but '{name}' is not a table"):
        load(name, **asked)
