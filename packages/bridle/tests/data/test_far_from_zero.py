"""Numbers far from zero, huge or tiny, keep what tells them apart, from tables and from arrays."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bridle import Protocol, linear, train
from bridle.data import Data, load

ROWS = 200
VALUES = np.round(np.random.default_rng(0).normal(size=ROWS) * 10, 3)
Z = np.random.default_rng(1).normal(size=ROWS)
LABELS = (VALUES > 0).astype(int)
STANDARD = (VALUES - VALUES[:120].mean()) / VALUES[:120].std()

EXTREME: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "seconds since 1970": lambda v: 1.7e9 + v,
    "negative": lambda v: -3e8 + v,
    "years in days": lambda v: 738_000_000 + v,
    "huge": lambda v: v * 1e200,
    "largest": lambda v: v * 4e306,
    "tiny": lambda v: v * 1e-200,
    "below the normal numbers of float32": lambda v: v * 1e-43,
    "above those of float32": lambda v: v * 1e38,
    "int64": lambda v: np.rint(v * 1000).astype(np.int64) + 10**12,
    "int64 beyond 2^53": lambda v: np.rint(v * 1000).astype(np.int64) + 2**62,
    "uint64": lambda v: (np.rint(v * 1000) + 10**6).astype(np.uint64) + np.uint64(2**63),
    "int32": lambda v: np.rint(v * 10).astype(np.int32) + 2_000_000_000,
}


def arrays(x: np.ndarray, y: Any = LABELS, **more: Any) -> Data:
    return Data(x[:120], y[:120], x[120:160], y[120:160], x[160:], y[160:], **more)


def beside(x: np.ndarray) -> Any:
    """The feature and another one; whole numbers keep their type."""
    return np.stack([x, np.arange(ROWS).astype(x.dtype)], axis=1) if x.dtype.kind in "iu" else np.c_[x, Z]


def all_of(data: Data, place: int = 0) -> np.ndarray:
    return np.concatenate([x[:, place] for x, _ in data.splits().values()])


@pytest.mark.parametrize("name", EXTREME)
def test_features_in_arrays_are_standardized_where_float32_would_round_them_away(name: str) -> None:
    given = beside(EXTREME[name](VALUES))
    before = given.copy()
    data = arrays(given, features=["stamp", "other"])
    tolerance = 0.01 if name == "int32" else 1e-5  # it has that few digits itself
    np.testing.assert_allclose(all_of(data), STANDARD, atol=tolerance)
    assert any("feature stamp is standardized by the training rows" in note for note in data.notes)
    np.testing.assert_array_equal(given, before)


@pytest.mark.parametrize("name", EXTREME)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_features_in_tables_keep_what_tells_them_apart(tmp_path: Path, name: str, ending: str) -> None:
    frame = pd.DataFrame({"x": EXTREME[name](VALUES), "y": LABELS})
    path = tmp_path / f"t.{ending}"
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    data = load(path, target="y", task="classification")
    pd.DataFrame({"x": VALUES, "y": LABELS}).to_csv(tmp_path / "plain.csv", index=False)
    plain = load(tmp_path / "plain.csv", target="y", task="classification")
    np.testing.assert_allclose(all_of(data), all_of(plain), atol=0.01 if name == "int32" else 1e-5)


def test_a_value_that_is_far_from_the_others_changes_nothing() -> None:
    stamps = 1.7e9 + 300 * VALUES
    stamps[5] = 0
    data = arrays(np.c_[stamps, Z])
    assert len(np.unique(stamps.astype(np.float32))) < 100
    assert len(np.unique(all_of(data))) > 180


@pytest.mark.parametrize(
    "x",
    [
        np.c_[VALUES, Z],
        np.c_[VALUES + 1000, Z],
        np.arange(2 * ROWS).reshape(ROWS, 2),
        np.c_[VALUES, np.full(ROWS, 0.1)],
    ],
    ids=["usual", "a thousand", "whole", "constant"],
)
def test_usual_numbers_stay_what_they_are(x: np.ndarray) -> None:
    data = arrays(x)
    np.testing.assert_array_equal(data.x_train, x[:120].astype(np.float32))
    assert not any("standardized" in note for note in data.notes)


def test_images_are_standardized_pixel_by_pixel() -> None:
    x = np.stack([1.7e9 + VALUES, Z, Z, Z], axis=1).reshape(ROWS, 2, 2)
    data = arrays(x)
    np.testing.assert_allclose(data.x_train[:, 0, 0], STANDARD[:120], atol=1e-5)
    np.testing.assert_array_equal(data.x_train[:, 1, 1], Z[:120].astype(np.float32))


@pytest.mark.parametrize("name", [name for name in EXTREME if "int" not in name])
def test_targets_keep_what_tells_them_apart(name: str) -> None:
    y = EXTREME[name](VALUES)
    data = arrays(np.c_[VALUES, Z], y)
    assert data.y_train.dtype == np.float64
    np.testing.assert_array_equal(data.y_train, y[:120])
    size = np.ptp(y / 2) / np.ptp(VALUES / 2)
    assert data.target_scale[1] == pytest.approx(VALUES[:120].std() * size, rel=1e-3)
    assert arrays(np.c_[VALUES, Z], VALUES).y_train.dtype == np.float32


@pytest.mark.parametrize("name", ["int64 beyond 2^53", "uint64"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_whole_targets_that_no_float_holds_are_counted_from_the_smallest(
    tmp_path: Path, name: str, ending: str
) -> None:
    y = EXTREME[name](VALUES)
    path = tmp_path / f"t.{ending}"
    frame = pd.DataFrame({"x": VALUES, "y": y})
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    data = load(path, target="y")
    everything = np.concatenate([each for _, each in data.splits().values()])
    np.testing.assert_array_equal(np.sort(everything), np.sort((y - y.min()).astype(float)))
    assert f"target y: counted from {int(y.min())}" in data.notes


@pytest.mark.parametrize("name", ["seconds since 1970", "huge", "tiny"])
def test_scores_of_such_targets_are_those_of_the_plain_ones(name: str) -> None:
    y = EXTREME[name](VALUES)
    far, plain = (train(arrays(np.c_[VALUES, Z], each), "none", linear(), Protocol(epochs=3)) for each in (y, VALUES))
    assert far.scores["valid"]["r2"] == pytest.approx(plain.scores["valid"]["r2"], abs=1e-4)
    size = np.ptp(y) / np.ptp(VALUES)
    assert far.scores["valid"]["rmse"] == pytest.approx(plain.scores["valid"]["rmse"] * size, rel=1e-3)


def test_decimals_are_numbers(tmp_path: Path) -> None:
    money = [Decimal(f"{value:.2f}") for value in VALUES]
    pd.DataFrame({"x": money, "z": Z, "y": LABELS}).to_parquet(tmp_path / "t.parquet")
    data = load(tmp_path / "t.parquet", target="y", task="classification")
    assert data.features == ("x", "z")
    target = load(tmp_path / "t.parquet", target="x")
    assert target.task == "regression"
    everything = np.concatenate([y for _, y in target.splits().values()])
    np.testing.assert_allclose(np.sort(everything), sorted(map(float, money)), atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "missing"),
    [
        ("Int64", 1), ("UInt8", 1), ("Float32", 1), ("float16", 0),
        ("int64[pyarrow]", 1), ("double[pyarrow]", 1), ("decimal", 1),
    ],
)  # fmt: skip
def test_every_type_of_number_is_a_number(tmp_path: Path, dtype: str, missing: int) -> None:
    whole: list[Any] = [k % 90 for k in range(ROWS)]
    whole[3] = None if missing else 3
    if dtype == "decimal":
        kind: Any = pd.ArrowDtype(pa.decimal128(9, 2))
        typed: Any = pd.Series([None if each is None else Decimal(each) for each in whole], dtype=kind)
    else:
        typed = pd.Series(whole, dtype=dtype)
    pd.DataFrame({"x": typed, "y": LABELS}).to_parquet(tmp_path / "t.parquet")
    data = load(tmp_path / "t.parquet", target="y", task="classification")
    assert data.features == ("x",)
    assert len(np.unique(all_of(data))) >= 90
    assert data.columns[0].kind == "number"


@pytest.mark.parametrize("dtype", ["boolean", "bool", "string", "category", "bool[pyarrow]", "string[pyarrow]"])
def test_every_type_of_words_is_a_category(tmp_path: Path, dtype: str) -> None:
    values = [k % 3 == 0 for k in range(ROWS)] if "bool" in dtype else [("a", "b")[k % 3 == 0] for k in range(ROWS)]
    pd.DataFrame({"x": pd.Series(values, dtype=dtype), "y": LABELS}).to_parquet(tmp_path / "t.parquet")
    data = load(tmp_path / "t.parquet", target="y", task="classification")
    assert data.features == (("x=False", "x=True") if "bool" in dtype else ("x=a", "x=b"))


def test_categories_of_numbers_are_categories_unless_they_are_many(tmp_path: Path) -> None:
    frame = pd.DataFrame({"few": pd.Series(np.arange(ROWS) % 3).astype("category"), "y": LABELS})
    frame["many"] = pd.Series(VALUES).astype("category")
    frame.to_parquet(tmp_path / "t.parquet")
    data = load(tmp_path / "t.parquet", target="y", task="classification")
    assert set(data.features) == {"few=0", "few=1", "few=2", "many"}
    assert any("column many: declared as categories, but" in note for note in data.notes)
