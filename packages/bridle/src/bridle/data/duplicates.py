"""Rows that stand in more than one split: scores on such rows measure what a network remembers."""

from __future__ import annotations

from itertools import combinations

import numpy as np

__all__ = ["duplicate_notes"]

Pair = tuple[np.ndarray, np.ndarray]  # x and y of one split
Count = tuple[int, str]  # of rows, and the same in words

BLOCK = 4096  # rows that are looked at together, which bounds the memory
ODD = np.int64(6364136223846793005)  # Knuth's multiplier, so that the hashes of features and target mix


def duplicate_notes(splits: dict[str, Pair]) -> tuple[str, ...]:
    """A sentence for each split whose rows stand in later ones too, and one where only the targets differ.

    >>> x, y = np.array([[1.0], [2.0], [3.0]], np.float32), np.array([0, 1, 1])
    >>> for note in duplicate_notes({"train": (x, y), "valid": (x[1:], np.array([1, 0]))}):
    ...     print(note)
    1 of 2 valid rows stands in train as well (a duplicate: the same row, features and target); ...
    1 of 2 valid rows has the features of a train row, but another target
    """
    features = {split: hashes(x) for split, (x, _) in splits.items()}
    rows = {split: features[split] * ODD + targets(y) for split, (_, y) in splits.items()}
    same: dict[str, list[Count]] = {split: [] for split in splits}
    other_target: dict[str, list[Count]] = {split: [] for split in splits}
    for first, second in combinations(splits, 2):
        met = np.isin(rows[second], rows[first])
        half_met = np.isin(features[second], features[first]) & ~met
        same[first] += counts_found(met, second)
        other_target[first] += counts_found(half_met, second)
    return tuple(note for first in splits for note in sentences(same[first], other_target[first], first))


def counts_found(found: np.ndarray, split: str) -> list[Count]:
    """Return how many rows of the split were found, and that in words; nothing where there are none."""
    count = int(found.sum())
    return [(count, f"{count} of {len(found)} {split} rows")] if count else []


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
