"""Words among numbers or dates that are none of them: they are taken for missing values, and named."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bridle_audit.wording import NAMED, counted

__all__ = ["MOST_STRAY", "is_absent", "stray_notes", "with_rows"]

MOST_STRAY = 0.1  # share of the rows of a column whose words may be none of what the others are
ABSENT = {
    "n/a", "na", "n.a.", "nan", "none", "null", "nil", "-", "--", "---", ".", "..", "...", "?", "*",
    "unknown", "unk", "missing", "tbd", "not available", "not applicable", "\N{EM DASH}",
    "#n/a", "#null!", "#div/0!", "#value!",
}  # fmt: skip


def is_absent(words: Sequence[str]) -> np.ndarray:
    """Return which words stand for missing values wherever numbers or dates are expected, (words,)."""
    return np.array([word.lower() in ABSENT for word in words], dtype=bool)


def stray_notes(words: Sequence[str], values: np.ndarray, counts: np.ndarray, what: str) -> tuple[str, ...]:
    """Return which words are none of ``what`` else was read, their values being nan, and in how many rows."""
    stray = np.flatnonzero(np.isnan(values))
    if not len(stray):
        return ()
    return (f"{with_rows([words[k] for k in stray.tolist()], counts[stray])}, no {what}, taken for missing",)


def with_rows(words: Sequence[str], counts: np.ndarray) -> str:
    """The most frequent words, each with the number of its rows.

    >>> with_rows(["many", "tbd"], np.array([1, 20]))
    "'tbd' in 20 rows, 'many' in 1 row"
    """
    order = sorted(range(len(words)), key=lambda k: -int(counts[k]))
    shown = ", ".join(f"{words[k]!r} in {counted('row', counts[k])}" for k in order[:NAMED])
    return f"{shown} and {counted('other word', len(words) - NAMED)}" if len(words) > NAMED else shown
