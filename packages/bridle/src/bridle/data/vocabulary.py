"""The different words of a column: which rows have them, how often, and which only look alike."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bridle.data.number_formats import plain_text
from bridle_audit.wording import counted

__all__ = ["Distinct", "lookalike_notes"]


class Distinct(NamedTuple):
    """The different words of a column, without spaces around them, which of them each row has (-1: none), how often."""

    words: list[str]
    codes: np.ndarray
    counts: np.ndarray
    spaces: int  # words as written that only spaces tell from another one

    @classmethod
    def of(cls, column: pd.Series[Any]) -> Distinct:
        """Count the words; values that are none are taken as Python prints them."""
        codes, written = pd.factorize(column.map(str, na_action="ignore") if column.dtype == object else column)
        stripped = [str(each).strip() for each in written]
        merged, words = pd.factorize(np.array(stripped, dtype=object))
        word_codes = np.append(merged, -1)[codes]
        counts = np.bincount(word_codes[word_codes >= 0], minlength=len(words))
        return cls(list(words), word_codes, counts, len(written) - len(words))

    def without(self, dropped: Sequence[str]) -> Distinct:
        """Return a copy with some words as missing values."""
        kept = np.array([word not in dropped for word in self.words], dtype=bool)
        word_codes = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
        return Distinct(
            [word for word, keep in zip(self.words, kept, strict=True) if keep],
            word_codes[self.codes],
            self.counts[kept],
            self.spaces,
        )

    def spread(self, values: np.ndarray, index: pd.Index[Any], missing: object) -> pd.Series[Any]:
        """A value for each word as one for each row."""
        return pd.Series(np.append(values, np.array([missing], dtype=values.dtype))[self.codes], index)


def lookalike_notes(words: Sequence[str]) -> tuple[str, ...]:
    """Words that differ only in capitals, spaces, or how their letters are coded, and are taken as different ones.

    >>> lookalike_notes(["Yes", "no", "yes"])
    ("'Yes' and 'yes' are taken as different",)
    """
    same: dict[str, list[str]] = defaultdict(list)
    for word in words:
        same[" ".join(plain_text(unicodedata.normalize("NFKC", word)).casefold().split())].append(word)
    pairs = [each for each in same.values() if len(each) > 1]
    if not pairs:
        return ()
    others = counted("other such group", len(pairs) - 1)
    more = f", as {'is' if len(pairs) == 2 else 'are'} {others}" if len(pairs) > 1 else ""
    return (f"{' and '.join(map(repr, sorted(pairs[0])))} are taken as different{more}",)
