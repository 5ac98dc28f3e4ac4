from __future__ import annotations

import numpy as np
import pytest

from bridle import Protocol, compare, linear, load
from bridle.data import Data

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
Y = np.arange(40) % 2


def test_rows_of_train_that_stand_in_valid_and_test_are_counted() -> None:
    valid, test = np.r_[30:40, 3, 4], np.r_[5, 20:30, 30]
    data = Data(X[:20], Y[:20], X[valid], Y[valid], X[test], Y[test])
    assert [note.partition(" (")[0] for note in data.notes[:-1]] == [
        "2 of 12 valid rows and 1 of 12 test rows stand in train as well",
        "1 of 12 test rows stands in valid as well",
    ]
    assert "duplicates: the same row, features and target" in data.notes[0]


def test_features_met_again_with_another_target_are_counted_apart() -> None:
    flipped = Y.copy()
    flipped[[0, 1, 2]] = 1 - flipped[[0, 1, 2]]
    data = Data(X[:20], Y[:20], X[:5], flipped[:5])
    assert [note.partition(" (")[0] for note in data.notes[:-1]] == [
        "2 of 5 valid rows stand in train as well",
        "3 of 5 valid rows have the features of a train row, but another target",
    ]
    assert data.split_info["leaks"] == {"rows": {"valid": 2}, "features": {"valid": 5}}
    assert data.notes[-1].startswith("100 % of the valid rows have the features of a train row: there a network that")


def test_what_is_said_of_valid_and_of_test_is_one_sentence() -> None:
    some, flipped = np.r_[0, 1, 30, 31], Y.copy()
    flipped[1] = 1 - flipped[1]
    data = Data(X[:20], Y[:20], X[some], flipped[some], X[some], flipped[some])
    assert [note.partition(" (")[0] for note in data.notes[:-1]] == [
        "1 of 4 valid rows and 1 of 4 test rows stand in train as well",
        "1 of 4 valid rows and 1 of 4 test rows have the features of a train row, but another target",
        "4 of 4 test rows stand in valid as well",
    ]


def test_a_row_met_with_both_targets_is_a_duplicate() -> None:
    both = Data(np.vstack([X[:20], X[:1]]), [*Y[:20], 1 - Y[0]], X[:1], Y[:1])
    assert [note.partition(" (")[0] for note in both.notes[1:-1]] == ["1 of 1 valid rows stands in train as well"]


@pytest.mark.parametrize("shape", [(40, 3), (40, 1, 3), (40, 3, 1)])
def test_rows_are_equal_where_their_numbers_are(shape: tuple[int, ...]) -> None:
    x = X.reshape(shape).copy()
    x[:, 0] = 0.0
    negative = np.where(x == 0, np.float32(-0.0), x)
    note = Data(x[:20], Y[:20], negative[:20], Y[:20]).notes[0]
    assert note.startswith("20 of 20 valid rows stand in train as well")


def test_the_share_of_rows_whose_features_train_knows_is_said_from_5_percent_on() -> None:
    x, y = np.arange(500.0).reshape(250, 2), np.arange(250) % 2
    for known, share in ((4, ""), (5, "5 % of the valid rows"), (62, "62 % of the valid rows")):
        valid = np.vstack([x[:known], -1 - x[: 100 - known]])
        notes = Data(x, y, valid, [*(1 - y[:known]), *y[: 100 - known]]).notes
        said = [note for note in notes if "a network that remembers scores well" in note]
        assert [note.partition(" have the features")[0] for note in said] == [share] * bool(share)


def test_more_rows_than_one_block_are_compared() -> None:
    x = np.random.default_rng(1).normal(size=(10_000, 2))
    y = x[:, 0] * 1.5
    data = Data(x[:9_000], y[:9_000], x[8_990:], y[8_990:])
    assert data.notes[0].startswith("10 of 1010 valid rows stand in train as well")


def test_rows_that_differ_in_their_last_bit_are_no_duplicates() -> None:
    assert Data(X[:20], Y[:20], np.nextafter(X[:20], np.float32(9)), Y[:20]).notes == ()
    assert load("digits").notes == ()


def test_notes_of_whoever_made_the_arrays_come_first_and_a_study_repeats_all() -> None:
    data = Data(X[:20], Y[:20], X[19:], Y[19:], notes=["column 'id' was left out"])
    assert data.notes[0] == "column 'id' was left out"
    assert data.notes[1].startswith("1 of 21 valid rows stands in train as well")
    study = compare(data, ["none"], seeds=2, network=linear(), protocol=Protocol(epochs=1))
    assert study.notices[-2:] == list(data.notes)


def test_notes_do_not_change_the_fingerprint() -> None:
    plain, noted = (Data(X[:20], Y[:20], X[20:], Y[20:], notes=notes) for notes in ([], ["said"]))
    assert plain.fingerprint == noted.fingerprint
