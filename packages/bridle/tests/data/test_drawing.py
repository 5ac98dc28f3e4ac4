"""What holds of every split that is drawn, over many seeds and made-up rows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold, TimeSeriesSplit

from bridle.data.drawing import draw_inner, draw_split, draw_valid
from bridle.data.folds import deal_groups, deal_rows
from bridle.data.holdout import Split, plain_split, stratified_split
from bridle.data.row_keys import RowKeys
from bridle.data.splits import Splits
from bridle.data.time_order import TimeLine, cuts_near
from bridle.errors import InputError

SEEDS = range(25)
PLAIN = np.zeros(40, np.int64)


def made_up(seed: int, rows: int = 120, classes: int = 3, groups: int = 20) -> RowKeys:
    """Return rows of unequal classes in groups of unequal sizes, some of one row, with ties in time."""
    random = np.random.default_rng(seed)
    sizes = random.dirichlet(np.full(groups, 0.7))
    drawn = np.unique(np.r_[np.arange(groups), random.choice(groups, rows - groups, p=sizes)], return_inverse=True)[1]
    strata = np.r_[np.arange(classes), random.choice(classes, rows - classes, p=[0.7, 0.25, 0.05])]
    return RowKeys(random.permutation(strata), random.permutation(drawn), random.integers(0, 30, rows).astype(float))


def same(one: Split, other: Split) -> bool:
    return all(np.array_equal(ours, theirs) for ours, theirs in zip(one, other, strict=True))


def assert_whole(split: Split, rows: int) -> None:
    """Every row is on exactly one side, in the order of the table, and no side is empty."""
    assert np.sort(np.concatenate(split)).tolist() == list(range(rows))
    assert all(len(side) and (np.diff(side) > 0).all() for side in split)


def assert_in_order(times: np.ndarray, split: Split) -> None:
    """Every time of a side is before every one of the next side."""
    train, valid, test = (times[rows] for rows in split)
    assert train.max() < valid.min()
    assert valid.max() < test.min()


def assert_whole_groups(groups: np.ndarray, sides: tuple[np.ndarray, ...]) -> None:
    """No group is on two sides."""
    found = [set(groups[rows].tolist()) for rows in sides]
    assert sum(map(len, found)) == len(set().union(*found))


@pytest.mark.parametrize("seed", [0, 1, 7, 2**40])
def test_repeat_0_of_a_repeated_hold_out_is_the_hold_out_of_its_seed(seed: int) -> None:
    labels = np.arange(100) % 3
    for kind in ("holdout", "repeated"):
        splits = Splits(kind, seed=seed)
        assert same(draw_split(splits, RowKeys(labels), 0), stratified_split(labels, seed))
        assert same(draw_split(splits, RowKeys(PLAIN), 0), plain_split(40, seed))


def test_repeats_are_different_hold_outs_and_differ_from_those_of_another_seed() -> None:
    keys = RowKeys(np.arange(100) % 3)
    drawn = [draw_split(Splits("repeated", seed=seed), keys, number) for seed in range(4) for number in range(10)]
    assert len({split.test.tobytes() for split in drawn}) == 40
    for split in drawn:
        assert_whole(split, 100)
        assert same(split, drawn[0]) == (split is drawn[0])


@pytest.mark.parametrize("folds", [3, 5, 10])
@pytest.mark.parametrize("grouped", [False, True])
def test_in_a_round_of_folds_each_row_is_test_once_and_valid_once(folds: int, grouped: bool) -> None:
    for seed in SEEDS:
        keys = made_up(seed)
        keys = RowKeys(keys.strata, keys.groups if grouped else None)
        splits = Splits("kfold", seed=seed, folds=folds)
        for round_ in (0, 1):
            drawn = [draw_split(splits, keys, folds * round_ + fold) for fold in range(folds)]
            for place in ("valid", "test"):
                rows = np.concatenate([getattr(split, place) for split in drawn])
                assert np.sort(rows).tolist() == list(range(120))
            for split, following in zip(drawn, [*drawn[1:], drawn[0]], strict=True):
                assert_whole(split, 120)
                np.testing.assert_array_equal(split.valid, following.test)


def test_the_next_round_of_folds_is_shuffled_anew() -> None:
    keys = RowKeys(np.arange(60) % 2)
    first, second = (draw_split(Splits("kfold"), keys, number) for number in (0, 5))
    assert not same(first, second)


def test_folds_have_every_class_in_proportion() -> None:
    for seed in SEEDS:
        strata = np.random.default_rng(seed).integers(0, 4, 83)
        fold = deal_rows(strata, 5, np.random.default_rng(seed))
        for marked in (np.ones(83, bool), *(strata == each for each in range(4))):
            sizes = np.bincount(fold[marked], minlength=5)
            assert sizes.max() - sizes.min() <= 1


def test_no_group_is_on_two_sides_whatever_the_kind() -> None:
    for seed in SEEDS:
        keys = made_up(seed)
        assert keys.groups is not None
        for number in range(3):
            for kind in ("holdout", "repeated", "kfold"):
                split = draw_split(Splits(kind, seed=seed, groups="g"), RowKeys(keys.strata, keys.groups), number)
                assert_whole(split, 120)
                assert_whole_groups(keys.groups, split)


def test_groups_of_one_row_are_dealt_almost_as_evenly_as_rows() -> None:
    for seed in SEEDS:
        strata = np.random.default_rng(seed).integers(0, 3, 90)
        fold = deal_groups(np.random.default_rng(seed).permutation(90), strata, 5, np.random.default_rng(seed))
        for marked in (np.ones(90, bool), *(strata == each for each in range(3))):
            sizes = np.bincount(fold[marked], minlength=5)
            assert sizes.max() - sizes.min() <= 2


def test_groups_are_dealt_about_as_evenly_as_scikit_learn_deals_them() -> None:
    ours, theirs = [], []
    for seed in SEEDS:
        keys = made_up(seed, rows=300, classes=3, groups=40)
        assert keys.groups is not None
        if np.bincount(keys.strata).min() < 5:
            continue  # the reference warns of such classes
        fold = deal_groups(keys.groups, keys.strata, 5, np.random.default_rng(seed))
        ours.append(unevenness(keys.strata, [np.flatnonzero(fold == each) for each in range(5)]))
        reference = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        found = [test for _, test in reference.split(keys.strata, keys.strata, keys.groups)]
        theirs.append(unevenness(keys.strata, found))
    assert len(theirs) > 15
    assert np.mean(ours) < 1.1 * np.mean(theirs)


def unevenness(strata: np.ndarray, folds: list[np.ndarray]) -> float:
    """How far the classes of the folds are from a fifth each: the cost that is said in folds.py."""
    totals = np.bincount(strata)
    have = np.array([np.bincount(strata[rows], minlength=len(totals)) for rows in folds])
    return float(((have - totals / 5) ** 2 / totals).sum())


def test_each_fold_has_a_group_where_there_are_as_many_of_one_class_each() -> None:
    groups = np.repeat(np.arange(5), [50, 1, 1, 1, 1])
    strata = np.repeat([0, 1], [50, 4])
    for seed in SEEDS:
        assert set(deal_groups(groups, strata, 5, np.random.default_rng(seed))) == set(range(5))


def test_a_hold_out_keeps_in_train_a_class_that_only_one_group_has() -> None:
    groups = np.repeat(np.arange(8), 5)
    strata = np.where(groups == 3, 2, np.arange(40) % 2)
    for seed in SEEDS:
        split = draw_split(Splits("repeated"), RowKeys(strata, groups), seed)
        assert 2 in strata[split.train]


def test_a_large_group_is_tested_in_some_repeats() -> None:
    groups = np.r_[np.zeros(30, np.int64), np.arange(1, 71)]
    keys = RowKeys(np.zeros(100, np.int64), groups)
    tested = [0 in draw_split(Splits("repeated"), keys, number).test for number in range(40)]
    assert 2 <= sum(tested) <= 20


def test_a_large_group_is_in_any_of_the_folds() -> None:
    keys = RowKeys(np.zeros(100, np.int64), np.r_[np.zeros(30, np.int64), np.arange(1, 71)])
    rounds = [[draw_split(Splits("kfold"), keys, 5 * number + fold).test for fold in range(5)] for number in range(20)]
    assert len({next(fold for fold in range(5) if 0 in tests[fold]) for tests in rounds}) > 2


@pytest.mark.parametrize("groups", [3, 4])
def test_few_groups_are_one_on_each_side_at_least(groups: int) -> None:
    keys = RowKeys(np.arange(24) % 2, np.arange(24) % groups)
    for number in range(10):
        assert_whole(draw_split(Splits("repeated"), keys, number), 24)


@pytest.mark.parametrize(
    ("splits", "groups", "says"),
    [
        (Splits(groups="g"), 2, "'g' has 2 groups, and a split into train, valid and test needs at least 3"),
        (Splits("kfold", groups="g"), 4, r"4 groups of 'g' cannot be dealt to 5 folds, .*; ask for fewer \(--folds\)"),
        (Splits("kfold", folds=41), None, "40 rows cannot be dealt to 41 folds, since each needs one"),
    ],
)
def test_more_sides_than_groups_or_rows_are_refused(splits: Splits, groups: int | None, says: str) -> None:
    numbers = None if groups is None else np.arange(40) % groups
    with pytest.raises(ValueError, match=says):
        draw_split(splits, RowKeys(PLAIN, numbers, grouped_by="g"), 0)


def test_train_is_before_valid_and_valid_before_test_whatever_ties_there_are() -> None:
    for seed in SEEDS:
        times = np.random.default_rng(seed).integers(0, 3 + seed, 200).astype(float)
        for place, value in enumerate((-1.0, 50.0, 60.0)):  # three times at least
            times[place] = value
        split = draw_split(Splits(time="t"), RowKeys(np.zeros(200, np.int64), times=times), 0)
        assert_whole(split, 200)
        assert_in_order(times, split)


def test_without_ties_time_order_is_split_60_20_20() -> None:
    times = np.random.default_rng(0).permutation(100)
    split = draw_split(Splits(time="t"), RowKeys(np.zeros(100, np.int64), times=times), 0)
    assert [times[rows].max() for rows in split] == [59, 79, 99]


@pytest.mark.parametrize("kind", ["repeated", "kfold"])
def test_repeats_in_time_order_are_windows_that_end_later_and_later(kind: str) -> None:
    for seed in SEEDS:
        times = np.random.default_rng(seed).integers(0, 40, 140).astype(float)
        keys, splits = RowKeys(np.zeros(140, np.int64), times=times), Splits(kind, folds=5, time="t")
        windows = [draw_split(splits, keys, number) for number in range(5)]
        for window, following in pairwise(windows):
            assert_in_order(times, window)
            assert set(window.train) < set(following.train)
            np.testing.assert_array_equal(window.test, following.valid)
        assert times[windows[-1].test].max() == times.max()
        assert same(draw_split(splits, keys, 5), windows[0])


def test_windows_are_those_of_time_series_split() -> None:
    keys = RowKeys(np.zeros(70, np.int64), times=np.arange(70))
    reference = TimeSeriesSplit(n_splits=6, test_size=10)
    for number, (before, test) in enumerate(list(reference.split(np.arange(70)))[1:]):
        split = draw_split(Splits("kfold", folds=5, time="t"), keys, number)
        np.testing.assert_array_equal(split.test, test)
        np.testing.assert_array_equal(np.r_[split.train, split.valid], before)


def test_groups_in_time_order_are_parted_by_neither() -> None:
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        groups = np.repeat(np.arange(30), random.integers(1, 6, 30))
        times = groups * 10 + random.integers(0, 15, len(groups))  # some reach into the next one's time
        order = random.permutation(len(groups))
        keys = RowKeys(np.zeros(len(groups), np.int64), groups[order], times[order])
        for splits in (Splits(time="t", groups="g"), Splits("kfold", folds=3, time="t", groups="g")):
            split = draw_split(splits, keys, 0)
            assert_in_order(times[order], split)
            assert_whole_groups(groups[order], split)


def test_too_few_times_are_refused_with_their_number() -> None:
    keys = RowKeys(PLAIN, times=np.arange(40) % 2, ordered_by="day")
    with pytest.raises(ValueError, match="'day' has 2 different times, and 3 parts one after the other need one each"):
        draw_split(Splits(time="day"), keys, 0)
    keys = RowKeys(PLAIN, np.arange(40) % 5, np.arange(40), "who", "day")
    says = "in the order of 'day' there are 0 places to cut at that no group of 'who' reaches over, and 2 are needed"
    with pytest.raises(ValueError, match=says):
        draw_split(Splits(time="day", groups="who"), keys, 0)


def test_cuts_are_the_nearest_that_are_left() -> None:
    assert cuts_near(np.array([3, 4, 50]), np.array([60.0, 80.0])).tolist() == [4, 50]  # type: ignore[union-attr]
    assert cuts_near(np.array([58, 61, 79, 90]), np.array([60.0, 80.0])).tolist() == [61, 79]  # type: ignore[union-attr]
    assert TimeLine.of(np.array([2.0, 1.0, 1.0, 3.0])).allowed.tolist() == [2, 3]


def test_inner_folds_take_each_training_row_once_and_keep_groups_and_classes() -> None:
    for seed in SEEDS:
        keys = made_up(seed)
        assert keys.groups is not None
        for groups in (None, keys.groups):
            these = RowKeys(keys.strata, groups)
            found = [draw_inner(these, fold, 4) for fold in range(4)]
            assert np.sort(np.concatenate([valid for _, valid in found])).tolist() == list(range(120))
            for train, valid in (*found, draw_inner(these, 0, 1)):
                assert np.sort(np.r_[train, valid]).tolist() == list(range(120))
                if groups is not None:
                    assert_whole_groups(groups, (train, valid))


def test_a_row_that_is_alone_in_its_class_is_never_held_out_of_the_training_rows() -> None:
    strata = np.array([1] + [0] * 39)
    for folds in (1, 4):
        assert all(0 in draw_inner(RowKeys(strata), fold, folds)[0] for fold in range(folds))
    of_each = [draw_inner(RowKeys(np.arange(8)), fold, 4) for fold in range(4)]
    assert sorted(row for _, valid in of_each for row in valid.tolist()) == list(range(8))


def test_times_that_are_too_few_say_what_would_do() -> None:
    keys = RowKeys(np.zeros(9, np.int64), times=np.arange(9) % 2)
    for kind, cure in (("holdout", "order by a column with more of them, or"), ("kfold", "ask for fewer folds, or")):
        with pytest.raises(InputError, match=f"2 different times, and . parts .*; {cure} split at random"):
            draw_split(Splits(kind, time="day"), keys, 0)


def test_one_inner_fold_is_a_quarter() -> None:
    train, valid = draw_inner(RowKeys(np.arange(80) % 2), 0, 1)
    assert (len(train), len(valid)) == (60, 20)
    train, valid = draw_inner(RowKeys(np.zeros(80, np.int64), np.arange(80) // 2), 0, 1)
    assert (len(train), len(valid)) == (60, 20)
    train, valid = draw_inner(RowKeys(np.zeros(80, np.int64), np.arange(80) % 2), 0, 1)
    assert (len(train), len(valid)) == (40, 40)
    times = np.random.default_rng(0).permutation(80)
    train, valid = draw_inner(RowKeys(np.zeros(80, np.int64), times=times), 0, 1)
    assert (len(train), times[train].max(), times[valid].min()) == (60, 59, 60)


def test_inner_folds_in_time_order_train_on_what_was_before() -> None:
    for seed in SEEDS:
        times = np.random.default_rng(seed).integers(0, 30, 90)
        keys = RowKeys(np.zeros(90, np.int64), times=times)
        for fold in range(3):
            train, valid = draw_inner(keys, fold, 3)
            assert times[train].max() < times[valid].min()
            assert np.sort(np.r_[train, valid]).tolist() == np.flatnonzero(times <= times[valid].max()).tolist()


def test_beside_test_rows_of_their_own_valid_is_drawn_in_the_given_number() -> None:
    keys = RowKeys(np.arange(60) % 3)
    drawn = [draw_valid(Splits("repeated"), keys, number, 10) for number in range(20)]
    assert {len(valid) for valid in drawn} == {10}
    assert len({valid.tobytes() for valid in drawn}) == 20
    folds = [draw_valid(Splits("kfold"), keys, number, 10) for number in range(5)]
    assert np.sort(np.concatenate(folds)).tolist() == list(range(60))
