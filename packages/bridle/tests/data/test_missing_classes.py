from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from bridle import Protocol, compare, linear, load
from bridle.data import Data

X = np.random.default_rng(0).normal(size=(30, 2))


def test_classes_that_a_split_lacks_are_told_with_their_rows() -> None:
    data = Data(X[:9], list("aabbccdde"), X[9:13], list("abcd"), X[13:16], list("abc"))
    assert data.notes == (
        "class 'e' (1 row of train) is not in valid, whose scores say nothing of it",
        "classes 'd' (2 rows of train), 'e' (1 row of train) are not in test, whose scores say nothing of them",
    )


def test_the_same_classes_are_told_once_and_only_the_first_by_name() -> None:
    letters = list("abcdefgh")
    data = Data(X[:8], letters, X[8:9], ["a"], X[9:10], ["a"])
    (note,) = data.notes
    assert note.endswith("'f' (1 row of train) and 2 more are not in valid and test, whose scores say nothing of them")


def test_given_classes_without_training_rows_are_told() -> None:
    data = Data(X[:4], [0, 1, 0, 1], X[4:6], [0, 1], classes=["no", "yes", "perhaps"])
    assert "class 'perhaps' (0 rows of train) cannot be learned: no row of train and valid has it" in data.notes
    assert Data(X[:4], [0, 1, 0, 1], X[4:6], [0, 1], classes=["no", "yes"]).notes == ()
    assert Data(X[:4], X[:4, 0], X[4:6], X[4:6, 0]).notes == ()


@pytest.mark.parametrize("engine", ["torch", "vanilla"])
def test_a_table_with_a_class_of_two_rows_is_trained_and_scored(tmp_path: Path, engine: str) -> None:
    labels = ["cat"] * 40 + ["dog"] * 30 + ["emu"] * 2 + ["fox"]
    noise = np.random.default_rng(1).normal(size=(len(labels), 2))
    rows = "".join(f"{a:.4f},{b:.4f},{label}\n" for (a, b), label in zip(noise, labels, strict=True))
    (tmp_path / "beasts.csv").write_text("a,b,animal\n" + rows)
    data = load(tmp_path / "beasts.csv", "animal")
    assert data.classes == ("cat", "dog", "emu", "fox")
    assert np.bincount(data.y_train).tolist()[2:] == [2, 1]
    told = "classes 'emu' (2 rows of train), 'fox' (1 row of train) are not in valid and test"
    assert any(note.startswith(told) for note in data.notes)
    study = compare(data, ["none"], seeds=2, network=linear(), protocol=Protocol(epochs=2), engine=engine)
    assert any(notice.startswith(told) for notice in study.notices)
    for metrics in study.baseline.scores.values():
        assert all(math.isfinite(summary.mean) for summary in metrics.values())


def test_numbers_that_are_all_the_same_in_a_split_are_noted() -> None:
    x, y = np.arange(6.0)[:, None], np.arange(6.0)
    notes = Data(x, y, x[:2], y[:1].repeat(2), x[:1], y[:1]).notes
    assert any(note.startswith("the target is one and the same number in all rows of valid (2) and") for note in notes)
    assert not [note for note in Data(x, y, x[:2], y[:2]).notes if "one and the same" in note]
