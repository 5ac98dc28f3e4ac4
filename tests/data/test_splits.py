from __future__ import annotations

import numpy as np
import pytest

from bridle.data.splits import plain_split, stratified_split


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
