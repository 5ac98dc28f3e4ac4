"""How a split is asked for: what goes together, its text and its JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bridle
from bridle.cli.describing import make_splits
from bridle.data.splits import Splits, as_splits

ASKED = [
    Splits(),
    Splits(seed=3),
    Splits("repeated", seed=2**40),
    Splits("kfold", folds=10, groups="patient id"),
    Splits("kfold", folds=2, time="day"),
    Splits("repeated", folds=7, time="day", groups="g"),
    Splits(column="fold", groups="g", time="t"),
]


@pytest.mark.parametrize("splits", ASKED)
def test_a_split_is_read_back_from_json(splits: Splits) -> None:
    assert Splits.from_json(splits.to_json()) == splits
    assert as_splits(splits.to_json()) == splits


def test_a_text_is_a_kind_and_nothing_is_the_default() -> None:
    assert as_splits("kfold") == Splits("kfold")
    assert as_splits(None) == as_splits("holdout") == Splits() == bridle.Splits(folds=5, seed=0)
    assert make_splits("kfold", 1, 4, "g", None, None) == Splits("kfold", seed=1, folds=4, groups="g")


def test_numbers_of_numpy_are_plain_ones() -> None:
    splits = Splits("kfold", seed=np.int64(3), folds=np.int32(4))  # type: ignore[arg-type]
    assert splits.to_json() == Splits("kfold", seed=3, folds=4).to_json()
    assert {type(splits.seed), type(splits.folds)} == {int}


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"kind": "k-fold"}, "there is no split 'k-fold'; did you mean kfold"),
        ({"kind": 5}, "there is no split 5; known are holdout, repeated, kfold"),
        ({"seed": -1}, "the split's seed must be a whole number from 0 on, got -1"),
        ({"seed": True}, "whole number from 0 on, got True"),
        ({"seed": 0.5}, "whole number from 0 on, got 0.5"),
        ({"kind": "kfold", "folds": 1}, "the split's folds must be a whole number from 2 on, got 1"),
        ({"kind": "kfold", "folds": 2}, "kfold needs at least 3 folds, got 2: one is test, one is valid"),
        ({"folds": 4}, r"folds=4 \(--folds\) means nothing to a holdout split"),
        ({"kind": "repeated", "folds": 4}, "folds=4 .* means nothing to a repeated split; ask for kind='kfold'"),
        ({"time": "day", "folds": 4}, "folds=4 .* means nothing to a holdout split"),
        ({"time": "day", "seed": 1}, "the split's seed is 1, but in the order of 'day' nothing is drawn at random"),
        ({"kind": "kfold", "time": "day", "seed": 1}, "nothing is drawn at random; leave the seed out"),
        ({"column": "fold", "kind": "kfold"}, r"column 'fold' is one split, .* leave kind='kfold' \(--split\) out"),
        ({"column": "fold", "seed": 1}, r"leaves nothing to chance: leave seed=1 \(--split-seed\) out"),
        ({"column": "fold", "folds": 3}, r"has no folds: leave folds=3 \(--folds\) out, or the column"),
        ({"groups": "g", "time": "g"}, "time and groups both name the column 'g'"),
        ({"groups": ["g"]}, r"groups must be the name of a column, as text, got \['g'\]"),
        ({"time": ""}, "time must be the name of a column, as text, got ''"),
    ],
)
def test_what_means_nothing_is_refused_in_a_sentence(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Splits(**asked)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"kinds": "kfold"}, "splits has no 'kinds'; did you mean kind"),
        (5, r"splits must be a bridle.Splits or one of holdout, repeated, kfold, got int"),
        ("fold", "there is no split 'fold'"),
    ],
)
def test_what_is_no_split_is_refused_in_a_sentence(given: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        as_splits(given)
