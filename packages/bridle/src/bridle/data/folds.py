"""Rows dealt to folds of the same size: within each stratum, and by whole groups where there are some."""

from __future__ import annotations

import numpy as np

__all__ = ["deal_groups", "deal_rows"]


def deal_rows(strata: np.ndarray, folds: int, random: np.random.Generator) -> np.ndarray:
    """The fold of each row, int64 of shape (rows,): sizes differ by one at most, in all and in each stratum."""
    order = random.permutation(len(strata))
    order = order[np.argsort(strata[order], kind="stable")]
    fold = np.empty(len(strata), np.int64)
    fold[order] = np.arange(len(strata)) % folds
    return fold


# Note [dealing groups]
# As scikit-learn's StratifiedGroupKFold does, the largest groups are dealt first, each to the fold that has least of
# what the group has; that is said here because scikit-learn refuses classes with fewer rows than folds, warns of some
# others, and deals otherwise from version to version, while a split must be the same when a study is run again.
# The cost is the sum over folds and strata of (rows of the stratum in the fold)^2 / (rows of the stratum), so that
# common and rare classes are even alike; where it decides nothing, the smaller fold takes the group. A fold that is
# empty costs nothing, so that none stays empty while there are groups. It is counted in whole numbers: the last digit
# of a sum of floating-point numbers differs from machine to machine, and with it would the fold that costs least.
SCALE = 1024  # parts of a row


def deal_groups(groups: np.ndarray, strata: np.ndarray, folds: int, random: np.random.Generator) -> np.ndarray:
    """The fold of each row, int64 of shape (rows,), the same for all rows of a group; see Note [dealing groups].

    ``groups`` and ``strata`` are numbers 0, 1, 2 ... of shape (rows,). Which of the folds has which number is chance.
    """
    counts: np.ndarray = np.zeros((groups.max() + 1, strata.max() + 1), np.int64)
    np.add.at(counts, (groups, strata), 1)
    totals = np.maximum(counts.sum(axis=0), 1)
    have = np.zeros((folds, counts.shape[1]), np.int64)
    fold = np.empty(len(counts), np.int64)
    order = random.permutation(len(counts))
    for group in order[np.argsort(-counts[order].sum(axis=1), kind="stable")].tolist():
        cost = (SCALE * have * counts[group] // totals).sum(axis=1)
        fold[group] = np.lexsort((have.sum(axis=1), cost))[0]
        have[fold[group]] += counts[group]
    of_row: np.ndarray = random.permutation(folds)[fold][groups]
    return of_row
