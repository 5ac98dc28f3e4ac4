"""Rows that stand in more than one split: scores on such rows measure what a network remembers."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np

__all__ = ["Duplicates", "find_duplicates"]

Pair = tuple[np.ndarray, np.ndarray]  # x and y of one split
Count = tuple[int, str]  # of rows, and the same in words

BLOCK = 4096  # rows that are looked at together, which bounds the memory
ODD = np.int64(6364136223846793005)  # Knuth's multiplier, so that the hashes of features and target mix
LEAST_SAID = 0.005  # of a split's rows, as a percentage without decimals
MANY = 0.05  # of a split's rows: from here on the features that it shares with train are a matter of their own


class Duplicates(NamedTuple):
    """The rows of valid and test that train has too, by split, and the sentences on all that was met twice."""

    rows: dict[str, int]  # the same features and the same target
    features: dict[str, int]  # the same features, whatever the target
    notes: tuple[str, ...]


def find_duplicates(splits: dict[str, Pair]) -> Duplicates:
    """Count the rows of each split that stand in an earlier one too, and those of which only the targets differ.

    >>> x, y = np.array([[1.0], [2.0], [3.0]], np.float32), np.array([0, 1, 1])
    >>> found = find_duplicates({"train": (x, y), "valid": (x[1:], np.array([1, 0]))})
    >>> found.rows, found.features
    ({'valid': 1}, {'valid': 2})
    >>> for note in found.notes:
    ...     print(note)
    1 of 2 valid rows stands in train as well (a duplicate: the same row, features and target); ...
    1 of 2 valid rows has the features of a train row, but another target
    100 % of the valid rows have the features of a train row: ...
    """
    features = {split: hashes(x) for split, (x, _) in splits.items()}
    rows = {split: features[split] * ODD + targets(y) for split, (_, y) in splits.items()}
    same: dict[str, dict[str, np.ndarray]] = {split: {} for split in splits}
    half: dict[str, dict[str, np.ndarray]] = {split: {} for split in splits}
    for first, second in combinations(splits, 2):
        same[first][second] = np.isin(rows[second], rows[first])
        half[first][second] = np.isin(features[second], features[first]) & ~same[first][second]
    met = {split: same["train"][split] | half["train"][split] for split in same["train"]}
    notes = [note for first in splits for note in sentences(counts(same[first]), counts(half[first]), first)]
    return Duplicates(
        {split: int(found.sum()) for split, found in same["train"].items()},
        {split: int(found.sum()) for split, found in met.items()},
        (*notes, *share_note(met)),
    )


def counts(found: dict[str, np.ndarray]) -> list[Count]:
    """Return how many rows of the splits were found, and that in words; nothing where there are none."""
    return [(int(its.sum()), f"{its.sum()} of {len(its)} {split} rows") for split, its in found.items() if its.any()]


def share_note(met: dict[str, np.ndarray]) -> list[str]:
    """Say what part of the rows have features that train knows, and what that means, where it is a large one."""
    shares = {split: found.mean() for split, found in met.items()}
    if max(shares.values()) < MANY:
        return []
    parts = " and ".join(
        f"{100 * share:.0f} % of the {split} rows" for split, share in shares.items() if share >= LEAST_SAID
    )
    return [
        f"{parts} have the features of a train row: there a network that remembers scores well, and a regularizer may "
        "look worse than it is on new rows; if such rows are one thing met several times, keep it on one side (groups, "
        "--groups) or in the table once"
    ]


def hashes(x: np.ndarray) -> np.ndarray:
    """A 64-bit hash of each row, int64 of shape (rows,); that two different rows share one is as good as impossible."""
    flat = x.reshape(len(x), -1)
    found = []
    for start in range(0, len(flat), BLOCK):
        block = flat[start : start + BLOCK] + 0.0  # makes -0.0 the 0.0 that it equals
        whole_rows = block.view(f"V{block.itemsize * block.shape[1]}").reshape(-1)
        found += list(map(hash, whole_rows.tolist()))
    return np.array(found, dtype=np.int64)


def targets(y: np.ndarray) -> np.ndarray:
    """A hash of each target, int64 of shape (rows,)."""
    return np.array(list(map(hash, y.tolist())), dtype=np.int64)


def sentences(same: list[Count], other_target: list[Count], first: str) -> list[str]:
    """Return what there is to say of the rows of later splits that ``first`` has too."""
    notes = []
    if same:
        verb, each = ("stands", "a duplicate") if is_one(same) else ("stand", "duplicates")
        learnt = "; there a score may measure memory instead of generalization" if first == "train" else ""
        notes.append(
            f"{counts_in_words(same)} {verb} in {first} as well ({each}: the same row, features and target){learnt}"
        )
    if other_target:
        verb = "has" if is_one(other_target) else "have"
        notes.append(f"{counts_in_words(other_target)} {verb} the features of a {first} row, but another target")
    return notes


def counts_in_words(counts: list[Count]) -> str:
    """The counts in words."""
    return " and ".join(words for _, words in counts)


def is_one(counts: list[Count]) -> bool:
    """Return True where they are of a single row, and the sentence in the singular."""
    return sum(count for count, _ in counts) == 1
