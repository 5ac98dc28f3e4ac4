"""Classes that a split lacks, and numbers that are all the same there: its scores say nothing of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bridle_audit.wording import counted, first_few

__all__ = ["absence_notes"]


def absence_notes(ids: Mapping[str, np.ndarray], classes: Sequence[str]) -> tuple[str, ...]:
    """A sentence for each set of classes that some splits lack; ``ids`` are the splits' class ids, or numbers, by name.

    >>> ids = {"train": np.array([0, 1, 1, 2]), "valid": np.array([1, 2]), "test": np.array([1, 2])}
    >>> absence_notes(ids, ["ape", "bee", "cow"])
    ("class 'ape' (1 row of train) is not in valid and test, whose scores say nothing of it",)
    """
    if not classes:  # a regression
        return constant_notes(ids)
    counts = np.bincount(ids["train"], minlength=len(classes))
    lacking: dict[tuple[int, ...], list[str]] = {}
    for split, its in ids.items():
        absent = np.flatnonzero(np.bincount(its, minlength=len(classes)) == 0)
        if len(absent):
            lacking.setdefault(tuple(absent.tolist()), []).append(split)
    return tuple(sentence(absent, splits, classes, counts) for absent, splits in lacking.items())


def constant_notes(targets: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """A sentence on the splits whose rows all have the same number as their target.

    >>> constant_notes({"train": np.array([1.0, 2.0]), "valid": np.array([3.0])})
    ('the target is one and the same number in all rows of valid (1), where R² says nothing; RMSE does',)
    """
    shown = [f"{split} ({len(y)})" for split, y in targets.items() if (y == y[0]).all()]
    if not shown:
        return ()
    where = " and ".join(shown)
    return (f"the target is one and the same number in all rows of {where}, where R² says nothing; RMSE does",)


def sentence(absent: tuple[int, ...], splits: list[str], classes: Sequence[str], counts: np.ndarray) -> str:
    """Return which classes are not in which splits."""
    shown = first_few(absent, form=lambda each: f"{classes[each]!r} ({counted('row', counts[each])} of train)")
    noun, verb, them = ("class", "is", "it") if len(absent) == 1 else ("classes", "are", "them")
    where = " and ".join(splits)
    if "train" in splits:
        return f"{noun} {shown} cannot be learned: no row of {where} has {them}"
    return f"{noun} {shown} {verb} not in {where}, whose scores say nothing of {them}"
