"""All rows of a data set in memory, from which the splits of every repeat are taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from bridle.data.drawing import draw_split, draw_valid
from bridle.data.holdout import Split
from bridle.data.row_keys import RowKeys
from bridle.data.split_record import record_split
from bridle.data.splits import Splits

__all__ = ["ArrayRows"]

Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class ArrayRows(Generic[Made]):
    """Inputs, targets and whatever splits them; :meth:`data` makes the data set of a repeat.

    Where a data set has test rows of its own, ``test``, they stay what they are, and only the others are drawn anew.
    """

    make: Callable[..., Made]  # Data, which this cannot import
    x: np.ndarray
    y: np.ndarray
    keys: RowKeys
    splits: Splits
    options: dict[str, Any]  # name, task ... for ``make``
    weights: np.ndarray | None = None
    test: tuple[np.ndarray, np.ndarray] | None = None
    valid_rows: int = 0  # of a data set with test rows of its own

    def data(self, number: int = 0) -> Made:
        """The data set as split for repeat ``number``."""
        split = self.split(number)
        record = record_split(self.splits, self.keys, split, number, self.data if self.splits.varies else None)
        record.info["own_test"] = self.test is not None
        x_test, y_test = self.test or (self.x[split.test], self.y[split.test])
        return self.make(
            *(array[rows] for rows in (split.train, split.valid) for array in (self.x, self.y)),
            x_test,
            y_test,
            sample_weight=None if self.weights is None else self.weights[split.train],
            split_record=record,
            **self.options,
        )

    def split(self, number: int) -> Split:
        """The row numbers of each split; none for test where that is apart."""
        if self.test is None:
            return draw_split(self.splits, self.keys, number)
        valid = draw_valid(self.splits, self.keys, number, self.valid_rows)
        return Split(np.setdiff1d(np.arange(len(self.x)), valid), valid, np.zeros(0, np.int64))
