from __future__ import annotations

import numpy as np
import pytest

from bridle.data.holdout import hold_out, plain_split, stratified_split


@pytest.mark.parametrize("rows", [3, 4, 10, 999])
def test_every_row_is_in_exactly_one_split(rows: int) -> None:
    split = plain_split(rows)
    assert np.sort(np.concatenate(split)).tolist() == list(range(rows))
    assert len(split.valid) == len(split.test) == max(1, round(rows / 5))


def test_every_class_is_in_every_split_in_proportion() -> None:
    counts = np.array([3, 4, 5, 7, 8, 50, 333])
    labels = np.random.default_rng(0).permutation(np.repeat(list("abcdefg"), counts))
    split = stratified_split(labels)
    assert np.sort(np.concatenate(split)).tolist() == list(range(410))
    assert len(split.valid) == len(split.test) == 82
    for rows in (split.valid, split.test):
        met = np.unique(labels[rows], return_counts=True)[1]
        assert (met >= 1).all()
        assert np.abs(met - counts / 5).max() < 1


def test_the_seed_decides_the_split() -> None:
    labels = np.arange(60) % 3
    for first, again, other in (
        (plain_split(60), plain_split(60), plain_split(60, seed=1)),
        (stratified_split(labels), stratified_split(labels), stratified_split(labels, seed=1)),
    ):
        np.testing.assert_array_equal(first.train, again.train)
        assert (first.train != other.train).any()


def test_a_class_too_small_to_be_split_stays_in_train() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(list("abcd"), [50, 2, 30, 1]))
    split = stratified_split(labels)
    assert np.sort(np.concatenate(split)).tolist() == list(range(83))
    assert {*labels[split.valid]} == {*labels[split.test]} == {"a", "c"}
    assert len(split.valid) == len(split.test) == 16
    assert (labels[split.train] == "b").sum() == 2
    assert (labels[split.train] == "d").sum() == 1


def test_classes_of_one_and_two_rows_only_cannot_be_split() -> None:
    with pytest.raises(
        ValueError, match=r"no class has as many as 3 rows, .*\(3 classes, 5 rows\): merge classes, or say"
    ):
        stratified_split(np.array(list("abcab")))


def test_a_part_of_the_rows_has_every_class_in_proportion() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(4), [2, 5, 40, 153]))
    for seed in range(20):
        rows = hold_out(labels, 0.25, np.random.default_rng(seed))
        assert np.unique(rows).tolist() == rows.tolist()
        assert len(rows) == 50
        met = np.bincount(labels[rows], minlength=4)
        assert (met >= 1).all()
        assert np.abs(met - np.array([2, 5, 40, 153]) / 4).max() < 1


def test_a_class_of_one_row_is_not_held_out_unless_all_are_such() -> None:
    for seed in range(20):
        random = np.random.default_rng(seed)
        assert 0 not in hold_out(np.array([0, *[1] * 9]), 0.25, random)
        assert len(hold_out(np.arange(8), 0.25, random)) == 2
        assert len(hold_out(np.zeros(2, np.int64), 0.25, random)) == 1
