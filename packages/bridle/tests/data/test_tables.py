from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bridle.data import Data, load
from bridle.data.preprocessing import prepare

ROWS = 200


def frame(**changes: Any) -> pd.DataFrame:
    """A table with numbers, words, truth values, gaps, and a constant."""
    random = np.random.default_rng(1)
    columns: dict[str, Any] = {
        "size": random.normal(50, 9, ROWS),
        "count": np.where(np.arange(ROWS) % 10 == 3, np.nan, np.arange(ROWS)),
        "colour": [["red", "green", "blue", None][k % 4] for k in range(ROWS)],
        "new": [k % 3 == 0 for k in range(ROWS)],
        "unit": "cm",
        "empty": np.nan,
        "kind": [["oak", "elm", "ash"][k % 3] for k in range(ROWS)],
    }
    return pd.DataFrame(columns | changes)


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Write a table as CSV."""

    def write(table: pd.DataFrame | str, name: str = "trees.csv") -> Path:
        text = table if isinstance(table, str) else table.to_csv(index=False)
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    return write


def column(data: Data, name: str, split: str = "train") -> np.ndarray:
    return data.splits()[split][0][:, data.features.index(name)]


def test_numbers_categories_gaps_and_constants_become_features(written: Callable[..., Path]) -> None:
    data = load(written(frame()), target="kind")
    assert data.features == (
        "size", "count", "count is missing", "colour=blue", "colour=green", "colour=missing", "colour=red",
        "new=False", "new=True",
    )  # fmt: skip
    assert (data.name, data.target, data.task) == ("trees", "kind", "classification")
    assert data.classes == ("ash", "elm", "oak")
    assert data.rows == {"train": 120, "valid": 40, "test": 40}
    words = [column(data, name) for name in data.features if name.startswith("colour=")]
    np.testing.assert_array_equal(np.sum(words, axis=0), 1)


def test_every_file_form_gives_the_same_data(written: Callable[..., Path], tmp_path: Path) -> None:
    table = frame()
    table.to_parquet(tmp_path / "trees.parquet")
    table.set_index("size").to_parquet(tmp_path / "indexed.parquet")
    prints = {
        load(path, target="kind").fingerprint
        for path in (
            written(table),
            written(table, "trees.csv.gz"),
            written(table.to_csv(index=False, sep=";"), "european.csv"),
            written("\ufeff" + table.to_csv(index=False).replace(",", ", "), "spaced.csv"),
            tmp_path / "trees.parquet",
            tmp_path / "indexed.parquet",
        )
    }
    assert len(prints) == 1


def test_preprocessing_knows_the_training_rows_only(written: Callable[..., Path]) -> None:
    table = frame()
    first = load(written(table), target="kind")
    x = first.x_train[:, first.features.index("size")]
    assert x.mean() == pytest.approx(0, abs=1e-6)
    assert x.std() == pytest.approx(1, abs=1e-6)
    # Move all rows outside train: what train becomes must not change at all.
    sizes = np.sort(table["size"].to_numpy())
    outside = ~np.isin(order_of(table["size"].to_numpy()), order_in_train(first, sizes))
    table.loc[outside, ["size", "count"]] = 1e6
    second = load(written(table), target="kind")
    np.testing.assert_array_equal(second.x_train, first.x_train)
    assert column(second, "size", "test").min() > 1000


def order_of(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values))


def order_in_train(data: Data, sizes: np.ndarray) -> np.ndarray:
    """The ranks, among all sizes, of the sizes that went into train; standardizing keeps the order."""
    everything = np.concatenate([column(data, "size", split) for split in ("train", "valid", "test")])
    assert len(np.unique(everything)) == len(sizes)
    return order_of(everything)[: len(data.x_train)]


def test_a_gap_becomes_the_median_of_the_training_rows(written: Callable[..., Path]) -> None:
    data = load(written(frame()), target="kind")
    gaps = column(data, "count is missing") == 1
    assert 5 < gaps.sum() < 20
    filled = np.unique(column(data, "count")[gaps])
    assert filled.tolist() == [pytest.approx(np.median(column(data, "count")[~gaps]), abs=1e-6)]


def test_rare_and_unknown_categories_are_put_together(written: Callable[..., Path]) -> None:
    words = ["common"] * 2400 + [f"rare{k}" for k in range(30)] * 20
    target = ["yes", "no"] * 1500
    data = load(written(pd.DataFrame({"word": words, "y": target, "n": range(3000)})), target="y")
    assert data.features[0] == "n"
    assert "word=common" in data.features
    singles = ["common"] * 2700 + [f"single{k}" for k in range(300)]
    data = load(written(pd.DataFrame({"word": singles, "y": target})), target="y")
    assert data.features == ("word=common", "word=(rare)")
    for x, _ in data.splits().values():
        np.testing.assert_array_equal(x.sum(axis=1), 1)


def test_a_category_never_met_in_training_is_none_of_the_known_ones() -> None:
    train = pd.DataFrame({"colour": ["red", "blue"] * 20})
    _, other = prepare(train, [pd.DataFrame({"colour": ["violet", "red"]})]).parts
    assert other.tolist() == [[0, 0], [0, 1]]


def test_a_category_never_met_in_training_counts_as_rare_where_there_are_rare_ones() -> None:
    train = pd.DataFrame({"colour": ["red", "blue"] * 100 + ["grey"]})
    prepared = prepare(train, [pd.DataFrame({"colour": ["violet", "grey", "red"]})])
    assert prepared.names == ("colour=blue", "colour=red", "colour=(rare)")
    assert prepared.parts[1].tolist() == [[0, 0, 1], [0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize(
    ("target", "task"),
    [
        (["a", "b"] * 100, "classification"),
        ([True, False] * 100, "classification"),
        ([1, 2, 3, 4] * 50, "classification"),
        ([1.0, 2.0] * 100, "classification"),
        (range(200), "regression"),
        ([k / 7 for k in range(200)], "regression"),
        ([0.5, 1.5] * 100, "regression"),
    ],
)
def test_the_task_is_told_by_the_target_column(written: Callable[..., Path], target: Any, task: str) -> None:
    assert load(written(frame(y=list(target))), target="y").task == task


def test_task_overrides(written: Callable[..., Path]) -> None:
    path = written(frame(y=[1, 2, 3, 4] * 50))
    data = load(path, target="y", task="regression")
    assert data.y_train.dtype == np.float32
    assert set(data.y_train.tolist()) == {1.0, 2.0, 3.0, 4.0}
    halves = load(written(frame(y=[0.5, 1.5] * 100)), target="y", task="classification")
    assert halves.classes == ("0.5", "1.5")
    with pytest.raises(ValueError, match=r"must hold numbers for a regression, got '\w+'; words need"):
        load(path, target="kind", task="regression")


def test_classes_are_split_in_proportion_and_always_alike(written: Callable[..., Path]) -> None:
    labels = ["many"] * 150 + ["some"] * 40 + ["few"] * 10
    path = written(frame(y=labels))
    data = load(path, target="y")
    counts = [np.bincount(y).tolist() for _, y in data.splits().values()]
    assert counts == [[6, 90, 24], [2, 30, 8], [2, 30, 8]]
    assert load(path, target="y").fingerprint == data.fingerprint


def test_columns_may_hold_words_and_numbers_mixed(written: Callable[..., Path]) -> None:
    data = load(written(frame(mixed=["1", "two"] * 100)), target="kind")
    assert data.features[-2:] == ("mixed=1", "mixed=two")


LEGS = "legs,animal\n" + "4,cat\n2,bird\n" * 6


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("", "y", "trees.csv is empty"),
        ("legs,animal\n", "animal", "has no rows, only the columns legs, animal"),
        (LEGS, "animol", "has no column 'animol'; did you mean animal?"),
        (LEGS, "zzz", "has no column 'zzz'; known are animal, legs"),
        (LEGS, None, r"say which column to predict with target= \(--target\); it has legs, animal"),
        ("animal\n" + "cat\ndog\n" * 6, "animal", "has no features: its only column is the target"),
        ("a,y\n" + "1,cat\n1,dog\n" * 6, "y", "no feature is left: the one column beside the target is left out"),
        (LEGS.replace("bird", "cat"), "animal", "the target 'animal' is constant: every row has cat"),
        (LEGS + "4,\n4,NA\n", "animal", r"rows counted from 1\) is missing in 2 rows \(13, 14\)"),
        ("a,y\n" + "1,2.5\n3,inf\n" * 6, "y", r"is infinite in 6 rows \(2, 4, 6, 8, 10 and 1 more\)"),
        ("a,y\n" + "1,2.5\ninf,3.5\n" * 6, "y", "column 'a' is infinite in 6 rows"),
        ("a,y\n1,cat\n2,dog\n3,cat\n4,dog\n", "y", r"no class has as many as 3 rows, .* \(2 classes, 4 rows\)"),
        ("a,y\n1,2.5\n2,3.5\n", "y", "2 rows cannot be split into train, valid and test; give at least 3"),
        ("a,y\n" + "1,cat,9\n2,dog,9\n" * 6, "y", "cannot be read as a table"),
        (LEGS + "1,2,3\n", "animal", "cannot be read as a table: .*Expected 2 fields in line 14, saw 3"),
        ("legs,legs,y\n1,2,3\n", "y", "has two columns named 'legs'; give each its own name"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(
    written: Callable[..., Path], text: str, target: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        load(written(text), target=target)


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no file .*none.csv"):
        load(tmp_path / "none.csv", target="y")
    (tmp_path / "latin.csv").write_bytes("größe,y\n1,2\n".encode("latin1"))
    with pytest.raises(
        ValueError, match=r"latin.csv cannot be read as a table: line 1 is not UTF-8 text .* save it as UTF-8"
    ):
        load(tmp_path / "latin.csv", target="y")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 this is not parquet")
    with pytest.raises(ValueError, match=r"bad.parquet cannot be read as a table"):
        load(tmp_path / "bad.parquet", target="y")
    (tmp_path / "bad.csv.gz").write_bytes(gzip.compress(LEGS.encode())[:-9])
    with pytest.raises(ValueError, match=r"bad.csv.gz is corrupt"):
        load(tmp_path / "bad.csv.gz", target="animal")


@pytest.mark.parametrize(
    ("values", "kind"),
    [([[1]] * ROWS, "ndarray"), ([b"raw"] * ROWS, "bytes"), ([{"a": 1}] * ROWS, "dict")],
)
def test_columns_of_neither_numbers_nor_words_are_named(tmp_path: Path, values: Any, kind: str) -> None:
    frame(odd=values).to_parquet(tmp_path / "odd.parquet")
    with pytest.raises(ValueError, match=f"column 'odd' holds {kind} such as"):
        load(tmp_path / "odd.parquet", target="kind")
    with pytest.raises(ValueError, match=r"target 'odd'"):
        load(tmp_path / "odd.parquet", target="odd")


def test_parquet_keeps_its_own_types(tmp_path: Path) -> None:
    table = frame().assign(
        whole=pd.Series([1, None] * 100, dtype="Int64"),
        truth=pd.Series([True, None] * 100, dtype="boolean"),
        group=pd.Series(["u", "v"] * 100, dtype="category"),
    )
    table.to_parquet(tmp_path / "typed.parquet")
    data = load(tmp_path / "typed.parquet", target="group")
    assert {"whole is missing", "truth=True", "truth=missing"} <= set(data.features)
    assert data.classes == ("u", "v")


REAL = {
    "adult": ("classification", 48842, 2),
    "anneal": ("classification", 898, 5),
    "california-housing": ("regression", 20640, 1),
    "concrete": ("regression", 1030, 1),
    "wine-quality-red": ("classification", 1599, 6),
    "car": ("classification", 1728, 4),
}


@pytest.mark.parametrize("name", REAL)
def test_real_tables_are_read(shared_data: Path, name: str) -> None:
    data = load(shared_data / "tabular" / f"{name}.csv.gz", target="target")
    assert (data.task, sum(data.rows.values()), data.n_outputs) == REAL[name]
    assert len(data.features) == data.n_inputs
    assert np.abs(data.x_train.mean(axis=0)).max() < 1.001
    assert all(np.isfinite(x).all() for x, _ in data.splits().values())
    varied = data.x_train.max(axis=0) > data.x_train.min(axis=0)
    assert varied.all()
