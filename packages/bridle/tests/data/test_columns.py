"""What was made of each column is kept with the data, and what a reader must know is a note that names the columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bridle.data import Data, load
from bridle.data.column_summary import KINDS, Column, column_notes
from bridle.data.holdout import stratified_split

ROWS = 200
RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=ROWS).round(3)
OTHER = RANDOM.normal(size=ROWS).round(3)
LABELS = [("no", "yes")[k % 2] for k in range(ROWS)]

Read = Callable[..., Data]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write columns beside x and y as CSV, and load it."""

    def load_columns(target: str = "y", task: str | None = None, categorical: Any = (), **columns: Any) -> Data:
        pd.DataFrame({"x": X, **columns} | ({} if "y" in columns else {"y": LABELS})).to_csv(
            tmp_path / "t.csv", index=False
        )
        return load(tmp_path / "t.csv", target=target, task=task, categorical=categorical)

    return load_columns


def column(data: Data, name: str) -> Column:
    return next(each for each in data.columns if each.name == name)


def test_every_column_is_described_in_the_order_of_the_file(read: Read) -> None:
    gaps = [None if k % 5 == 0 else k % 40 for k in range(ROWS)]
    colours = [("red", "blue", None)[k % 3] for k in range(ROWS)]
    days = pd.date_range("2020-01-01", periods=ROWS)
    data = read(gaps=gaps, colour=colours, day=days, same=[1] * ROWS, key=[f"k{k}" for k in range(ROWS)])
    assert [(each.name, each.kind, each.features) for each in data.columns] == [
        ("x", "number", 1), ("gaps", "number", 2), ("colour", "category", 3), ("day", "date", 1),
        ("same", "dropped", 0), ("key", "dropped", 0),
    ]  # fmt: skip
    assert {each.kind for each in data.columns} <= set(KINDS)
    assert sum(each.features for each in data.columns) == data.n_inputs
    assert column(data, "x").line() == "x: number"
    assert "40 missing became the median of the training rows" in column(data, "gaps").line()
    assert "and a column says where" in column(data, "gaps").line()
    notes = " | ".join(data.notes)
    assert "column same is left out: constant in the training rows" in notes
    assert "column key is left out: another word in every row, as an id has" in notes
    assert data.describe()["columns"][3]["kind"] == "date"


def test_many_columns_left_out_are_named_as_far_as_a_sentence_can(read: Read) -> None:
    data = read(**{f"c{k}": [7] * ROWS for k in range(30)})
    assert data.notes[0] == (
        "30 of 31 columns (c0, c1, c2, c3, c4 and 25 more) are left out: constant in the training rows"
    )
    assert [each.name for each in data.columns if each.kind == "dropped"] == [f"c{k}" for k in range(30)]


def test_a_column_that_varies_outside_the_training_rows_only_says_so(read: Read) -> None:
    in_valid = stratified_split(np.array(LABELS)).valid[0]
    rare = [int(k == in_valid) for k in range(ROWS)]
    assert column(read(rare=rare), "rare").notable == ("constant in the training rows only",)


def test_words_of_which_most_are_rare_are_said(read: Read) -> None:
    data = read(text=["same"] * 60 + [f"single {k}" for k in range(ROWS - 60)])
    note = next(note for note in data.notes if "column text" in note)
    assert "words put together as rare" in note
    assert column(data, "text").kind == "category"


def test_a_single_rare_word_is_not_put_together_with_others(read: Read) -> None:
    train = stratified_split(np.array(LABELS)).train
    data = read(text=["once" if k == train[0] else ("often", "as often")[k % 2] for k in range(ROWS)])
    assert column(data, "text").done == (f"1 of 3 words is rare, 1 of {len(train)} training rows",)


def test_words_that_differ_in_capitals_are_said_and_in_spaces_merged(read: Read) -> None:
    data = read(word=[("Yes", "yes ", " no", "yes")[k % 4] for k in range(ROWS)])
    assert {name for name in data.features if name.startswith("word=")} == {"word=Yes", "word=no", "word=yes"}
    assert "column word: 'Yes' and 'yes' are taken as different" in data.notes


@pytest.mark.parametrize("other", ["cafe\u0301", "caf\u00e9\u200b", "CAF\u00c9"])
def test_words_that_look_alike_are_said(read: Read, other: str) -> None:
    data = read(word=[("caf\u00e9", other)[k % 2] for k in range(ROWS)], y=[k % 7 / 2 for k in range(ROWS)])
    assert any(note.startswith("column word: ") and "are taken as different" in note for note in data.notes)


def test_the_target_is_read_like_any_column(read: Read) -> None:
    data = read(y=[f"{value:.3f}".replace(".", ",") for value in X * 3], z=LABELS)
    assert data.task == "regression"
    assert "target y: comma read as decimal point" in data.notes
    np.testing.assert_allclose(
        np.sort(np.concatenate([y for _, y in data.splits().values()])), np.sort(np.round(X * 3, 3)), atol=1e-3
    )
    spaced = read(y=[f"{label}{' ' * (k % 3)}" for k, label in enumerate(LABELS)])
    assert spaced.classes == ("no", "yes")
    assert any("spaces around words taken off (4 spellings)" in note for note in spaced.notes)
    once = read(y=[f"{label}{' ' * (k == 0)}" for k, label in enumerate(LABELS)])
    assert any("spaces around words taken off (1 spelling)" in note for note in once.notes)
    capitals = read(y=[("Yes", "yes", "no")[k % 3] for k in range(ROWS)])
    assert "target y: 'Yes' and 'yes' are taken as different" in capitals.notes


@pytest.mark.parametrize(
    ("target", "note"),
    [
        (
            [k % 22 for k in range(ROWS)],
            "task: regression (22 whole numbers; --task classification if they are labels)",
        ),
        ([k % 3 for k in range(ROWS)], "task: classification (3 whole numbers; --task regression if they are amounts)"),
    ],
)
def test_the_task_that_was_told_by_numbers_is_said(read: Read, target: Any, note: str) -> None:
    assert note in read(y=target).notes
    assert not any("task:" in each for each in read(y=target, task="classification").notes)


def test_a_yes_and_a_no_in_numbers_are_labels_without_a_word(read: Read) -> None:
    data = read(y=[k % 2 for k in range(ROWS)])
    assert data.task == "classification" and not any("task:" in each for each in data.notes)


def test_a_word_among_the_numbers_of_a_target_is_refused(read: Read) -> None:
    target: list[Any] = (X * 100).tolist()
    target[4] = "n/a"
    with pytest.raises(
        ValueError, match=r"the target 'y' holds numbers and words \('n/a' in 1 row\); correct these rows"
    ):
        read(y=target, z=LABELS)


def test_a_class_called_na_is_not_lost_in_silence(read: Read) -> None:
    with pytest.raises(ValueError, match=r"is missing in .* rows .*; 'NA' stands for missing: spell a class otherwise"):
        read(y=[("NA", "EU", "AS")[k % 3] for k in range(ROWS)])
    data = read(country=[("NA", "EU", "AS")[k % 3] for k in range(ROWS)])
    assert "'NA' in 67 rows read as missing" in column(data, "country").line()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Unnamed: 0", range(ROWS)),
        ("Unnamed: 0", RANDOM.permutation(ROWS)),
        ("Unnamed: 0.1", range(ROWS)),
        ("id", range(1, ROWS + 1)),
        ("PassengerId", RANDOM.permutation(9 * ROWS)[:ROWS]),
        ("index", range(5, ROWS + 5)),
    ],
)
def test_row_numbers_are_left_out(read: Read, name: str, values: Any) -> None:
    data = read(**{name: list(values)})
    assert data.features == ("x",)
    assert f"column {name} is left out: " in " | ".join(data.notes)


def test_other_columns_that_count_or_are_called_ids_are_said(read: Read) -> None:
    data = read(step=range(ROWS), customer_id=[k // 2 for k in range(ROWS)], zip=[10000 + k * 7 for k in range(ROWS)])
    assert data.features == ("x", "step", "customer_id", "zip")
    notes = " | ".join(data.notes)
    assert "column step: it counts the rows in their order" in notes
    assert "column customer_id: an id by its name, read as amounts" in notes
    assert "column zip: a code by its name, read as amounts" in notes


def test_a_name_that_ends_like_a_row_of_an_image_is_no_id(read: Read) -> None:
    data = read(**{"region-centroid-row": [k // 2 for k in range(ROWS)]})
    assert data.notes == ()


@pytest.mark.parametrize(
    ("target", "copy"),
    [
        (LABELS, [label == "yes" for label in LABELS]),
        (LABELS, [{"no": 3, "yes": 7}[label] for label in LABELS]),
        ((OTHER * 3).tolist(), (OTHER * 300 + 5).tolist()),
        ([k % 40 + 0.5 for k in range(ROWS)], [f"c{k % 40}" for k in range(ROWS)]),
    ],
)
def test_a_column_that_is_the_target_is_said(read: Read, target: Any, copy: Any) -> None:
    data = read(y=target, copy=copy, other=RANDOM.permutation(ROWS) % 7)
    assert "column copy: a leak? it determines the target one to one" in data.notes
    assert not any("column other: a leak" in note for note in data.notes)


def test_columns_of_codes_are_categories_where_that_is_said(read: Read) -> None:
    codes = {"code": [k % 4 + 10 for k in range(ROWS)], "a, b": [k % 3 for k in range(ROWS)]}
    assert read(**codes).features == ("x", "code", "a, b")
    words = ("x", "a, b", "code=10", "code=11", "code=12", "code=13")
    assert read(**codes, categorical=["code"]).features == words
    assert read(**codes, categorical="code").features == words
    assert "code=10" in read(**codes, categorical=["code,x"]).features
    assert "a, b=0" in read(**codes, categorical=["a, b"]).features


@pytest.mark.parametrize(
    ("categorical", "message"),
    [
        (["cod"], r"--categorical\): there is no column 'cod'; did you mean code\?"),
        (["y"], r"--categorical\) names the target 'y'; for labels say task='classification'"),
        ([3], r"categorical must be a list of names of columns, got \[3\]"),
    ],
)
def test_columns_that_there_are_not_are_told(read: Read, categorical: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(code=[k % 4 for k in range(ROWS)], categorical=categorical)


def test_columns_of_what_is_no_table_are_told() -> None:
    with pytest.raises(ValueError, match="names columns of a table, but 'digits' is not a table"):
        load("digits", categorical=["code"])


def test_a_table_of_which_all_is_left_out_says_why(read: Read) -> None:
    with pytest.raises(
        ValueError, match=r"no feature is left: all 2 columns .* \(x: constant in the training rows; k: an"
    ):
        read(x=[1] * ROWS, k=[f"k{k}" for k in range(ROWS)])


def test_notes_put_equal_phrases_together() -> None:
    columns = [
        Column("a", "number", 1, (), ("p",)),
        Column("b", "number", 1, (), ("p",)),
        Column("c", "dropped", 0, (), ("p",)),
    ]
    assert column_notes(columns) == ("2 of 3 columns (a, b): p", "column c is left out: p")
