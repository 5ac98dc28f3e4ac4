"""Draws the rows of train, valid and test as :class:`~bridle.data.splits.Splits` asks, and folds of training rows.

Every draw is seeded by what was asked and the number of the repeat, so that it can be drawn again.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np

from bridle.data.folds import deal_groups, deal_rows
from bridle.data.holdout import LEAST, Split, hold_out, plain_split, stratified_split
from bridle.data.row_keys import RowKeys
from bridle.data.splits import Splits
from bridle.data.time_order import TimeLine, cuts_near
from bridle.errors import InputError
from bridle_audit.wording import counted

__all__ = ["draw_inner", "draw_split", "draw_valid"]

SHARES = np.array([0.6, 0.8])  # of the rows, in time order, before which valid and test begin
FIFTHS = 5  # folds of groups of which a hold-out takes one for test and one for valid
QUARTERS = 4  # ... and of which an inner hold-out takes one
INNER = (
    1  # a stream of random numbers of its own, so that inner folds are not those that the outer split was drawn from
)


def draw_split(splits: Splits, keys: RowKeys, number: int) -> Split:
    """Split the rows for the repeat of this number, from 0 on; ``ValueError`` where there are too few of something."""
    split = draw_sides(splits, keys, number)
    if is_stratified(keys) and len(np.unique(keys.strata[split.train])) == 1:
        raise InputError(
            f"the {counted('training row', len(split.train))} of this split are all of one class of the target: there "
            "is nothing to learn; ask for fewer folds, or split otherwise"
        )
    return split


def draw_sides(splits: Splits, keys: RowKeys, number: int) -> Split:
    """Split the rows, by what they are to be split by."""
    if keys.times is not None:
        return in_time_order(splits, keys, keys.times, number)
    if splits.kind == "kfold":
        return by_folds(splits, keys, number)
    if keys.groups is not None:
        return grouped_holdout(keys, keys.groups, np.random.default_rng([splits.seed, number]))
    seed = [splits.seed, number]  # NumPy draws from [seed, 0] what it draws from seed
    return stratified_split(keys.strata, seed) if is_stratified(keys) else plain_split(len(keys), seed)


def is_stratified(keys: RowKeys) -> bool:
    """Return True where the rows are of several classes."""
    return bool(keys.strata.any())


def by_folds(splits: Splits, keys: RowKeys, number: int) -> Split:
    """Take one fold for test, the next for valid."""
    shuffle, turn = divmod(number, splits.folds)
    fold = deal(keys, splits.folds, np.random.default_rng([splits.seed, shuffle]), "--folds")
    test, valid = fold == turn, fold == (turn + 1) % splits.folds
    return Split(*map(np.flatnonzero, (~test & ~valid, valid, test)))


def deal(keys: RowKeys, folds: int, random: np.random.Generator, option: str) -> np.ndarray:
    """The fold of each row; ``ValueError`` for more folds than there are rows, or groups, to deal."""
    noun, count = ("row", len(keys)) if keys.groups is None else ("group", int(keys.groups.max()) + 1)
    if count < folds:
        of = "" if keys.groups is None else f" of {keys.grouped_by!r}"
        raise InputError(
            f"{counted(noun, count)}{of} cannot be dealt to {folds} folds, since each needs one; ask for fewer "
            f"({option})"
        )
    if keys.groups is not None:
        return deal_groups(keys.groups, keys.strata, folds, random)
    return deal_rows(keys.strata, folds, random)


def grouped_holdout(keys: RowKeys, groups: np.ndarray, random: np.random.Generator) -> Split:
    """Take a fifth of the groups for test and one for valid; of few groups one each.

    Of the ways to choose them it is one that leaves train the most classes: a class in a single group cannot be
    learned from elsewhere.
    """
    count = int(groups.max()) + 1
    if count < LEAST:
        raise InputError(
            f"{keys.grouped_by!r} has {counted('group', count)}, and a split into train, valid and test needs at least "
            f"{LEAST}"
        )
    folds = min(FIFTHS, count)
    fold = deal_groups(groups, keys.strata, folds, random)
    pairs = list(permutations(random.permutation(folds).tolist(), 2))
    valid, test = max(pairs, key=lambda pair: len(np.unique(keys.strata[~np.isin(fold, pair)])))
    return Split(*map(np.flatnonzero, (~np.isin(fold, (valid, test)), fold == valid, fold == test)))


def in_time_order(splits: Splits, keys: RowKeys, times: np.ndarray, number: int) -> Split:
    """Cut the rows in the order of time; repeats are windows that begin with the first row and end later and later.

    A window trains on all rows before its valid part; valid and test are one part of ``folds + 2`` each. Once the last
    window was taken the first one is taken again.
    """
    if not splits.varies:
        return Split(*time_parts(keys, times, SHARES))
    window = number % splits.folds
    parts = time_parts(keys, times, np.arange(1, splits.folds + 2) / (splits.folds + 2))
    return Split(np.sort(np.concatenate(parts[: window + 1])), *parts[window + 1 : window + 3])


def time_parts(keys: RowKeys, times: np.ndarray, shares: np.ndarray) -> list[np.ndarray]:
    """Cut the rows near these shares, in time order; ``ValueError`` where there are too few places to cut at."""
    line = TimeLine.of(times, keys.groups)
    cuts = cuts_near(line.allowed, shares * len(keys))
    if cuts is not None:
        return line.parts(cuts)
    if keys.groups is None:
        fewer = "ask for fewer folds" if len(shares) > len(SHARES) else "order by a column with more of them"
        raise InputError(
            f"{keys.ordered_by!r} has {counted('different time', len(line.allowed) + 1)}, and {len(shares) + 1} parts "
            f"one after the other need one each; {fewer}, or split at random"
        )
    raise InputError(
        f"in the order of {keys.ordered_by!r} there {'is' if len(line.allowed) == 1 else 'are'} "
        f"{counted('place', len(line.allowed))} to cut at that no group of {keys.grouped_by!r} reaches over, and "
        f"{len(shares)} are needed; split by one of the two columns"
    )


def draw_valid(splits: Splits, keys: RowKeys, number: int, rows: int) -> np.ndarray:
    """The row numbers of valid, about so many, where the test rows are set apart already."""
    if splits.kind == "kfold":
        shuffle, turn = divmod(number, splits.folds)
        fold = deal(keys, splits.folds, np.random.default_rng([splits.seed, shuffle]), "--folds")
        return np.flatnonzero(fold == turn)
    return hold_out(keys.strata, rows / len(keys), np.random.default_rng([splits.seed, number]))


def draw_inner(keys: RowKeys, fold: int, folds: int) -> tuple[np.ndarray, np.ndarray]:
    """The row numbers of train and valid in one of the folds of the training rows; with one fold valid is a quarter.

    In time order valid is the part ``fold + 1`` of ``folds + 1``, and train all that is before it.
    """
    if keys.times is not None:
        shares = np.arange(1, folds + 1) / (folds + 1) if folds > 1 else np.array([1 - 1 / QUARTERS])
        parts = time_parts(keys, keys.times, shares)
        return np.sort(np.concatenate(parts[: fold + 1])), parts[fold + 1]
    valid = inner_valid(keys, fold, folds, np.random.default_rng([INNER, len(keys)]))
    return np.setdiff1d(np.arange(len(keys)), valid), valid


def inner_valid(keys: RowKeys, fold: int, folds: int, random: np.random.Generator) -> np.ndarray:
    """The row numbers of valid in a fold."""
    if folds == 1 and keys.groups is None:
        return hold_out(keys.strata, 1 / QUARTERS, random)
    if folds == 1 and keys.groups is not None:
        folds = max(2, min(QUARTERS, int(keys.groups.max()) + 1))
    valid = np.flatnonzero(deal(keys, folds, random, "folds=") == fold)
    return valid if keys.groups is not None else without_single_rows(valid, keys.strata)


def without_single_rows(rows: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Return these rows but for those that are alone in their class, which could not be learned then."""
    _, codes, counts = np.unique(strata, return_inverse=True, return_counts=True)
    several = rows[counts[codes[rows]] > 1]
    return several if len(several) else rows
