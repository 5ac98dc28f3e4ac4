"""Seeded hold-outs: 60 % train, 20 % valid and 20 % test, or one part of the rows and the rest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bridle.errors import InputError
from bridle_audit.wording import counted

__all__ = ["LEAST", "Split", "hold_out", "plain_split", "stratified_split"]

HELD_OUT = 0.2  # of the rows for valid, and as many for test
LEAST = 3  # rows that can be split: one for each
SEED = 0  # of every split that no seed is given for, so that the same table is always split the same way

Seed = int | list[int]


class Split(NamedTuple):
    """Row numbers of the three splits, int64, ascending."""

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray


def plain_split(rows: int, seed: Seed = SEED) -> Split:
    """Split the rows at random."""
    if rows < LEAST:
        raise InputError(f"{counted('row', rows)} cannot be split into train, valid and test; give at least {LEAST}")
    held_out = int(held_out_counts(np.array([rows]))[0])
    return merge_splits([split_class(np.arange(rows), held_out, np.random.default_rng(seed))])


def stratified_split(labels: np.ndarray, seed: Seed = SEED) -> Split:
    """Split every class at random in the same proportions, so that each split has rows of each class.

    A class with less rows than there are splits stays in train as a whole. Raises ``ValueError`` where that is so of
    all classes.
    """
    random = np.random.default_rng(seed)
    classes, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if counts.max() < LEAST:
        raise InputError(
            f"no class has as many as {LEAST} rows, the least for a split into train, valid and test ("
            f"{counted('class', len(classes))}, {counted('row', len(labels))}): merge classes, or say "
            "task='regression' if the target is an amount"
        )
    held_out = np.zeros_like(counts)
    held_out[counts >= LEAST] = held_out_counts(counts[counts >= LEAST])
    rows = [np.flatnonzero(codes == number) for number in range(len(classes))]
    return merge_splits([split_class(its, count, random) for its, count in zip(rows, held_out.tolist(), strict=True)])


def held_out_counts(counts: np.ndarray, share: float = HELD_OUT) -> np.ndarray:
    """Return how many rows of each class are held out for valid, and as many for test: at least one, a fifth in total.

    What whole numbers leave over goes to the classes that they cut short the most.

    >>> held_out_counts(np.array([67, 67, 66])), held_out_counts(np.array([3, 197]))
    (array([14, 13, 13]), array([ 1, 39]))
    """
    wanted = share * counts
    held_out = np.maximum(1, np.floor(wanted)).astype(np.int64)
    left_over = max(0, round(share * counts.sum()) - held_out.sum())
    held_out[np.argsort(held_out - wanted, kind="stable")[:left_over]] += 1
    return held_out


def split_class(rows: np.ndarray, held_out: int, random: np.random.Generator) -> Split:
    """Deal out the rows of one class, in random order."""
    order = random.permutation(rows)
    return Split(order[2 * held_out :], order[:held_out], order[held_out : 2 * held_out])


def merge_splits(parts: list[Split]) -> Split:
    """The classes' splits put together, in the order of the table."""
    return Split(*(np.sort(np.concatenate(rows)) for rows in zip(*parts, strict=True)))


def hold_out(strata: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """Take this share of the rows, at random within each stratum: row numbers, int64, ascending.

    A stratum of one row is not held out, unless all are such.
    """
    _, codes, counts = np.unique(strata, return_inverse=True, return_counts=True)
    if counts.max() == 1:
        codes, counts = np.zeros_like(codes), np.array([len(codes)])
    held_out = np.zeros_like(counts)
    held_out[counts > 1] = held_out_counts(counts[counts > 1], share)
    order = random.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)  # within its stratum
    return np.sort(order[place < np.repeat(held_out, counts)])
