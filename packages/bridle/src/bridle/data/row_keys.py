"""What rows are split by: their classes, groups and times."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from bridle.data.column_types import ParsedColumn

__all__ = ["RowKeys"]


@dataclass(frozen=True)
class RowKeys:
    """One entry for each row; ``groups`` and ``times`` are None where the split does not go by them."""

    strata: np.ndarray  # class numbers 0, 1, 2 ..., int64 of shape (rows,); all 0 for amounts
    groups: np.ndarray | None = None  # numbers 0, 1, 2 ..., int64 of shape (rows,)
    times: np.ndarray | None = None  # float64 or integers, of shape (rows,)
    grouped_by: str = "groups"  # the name of the column
    ordered_by: str = "time"
    dates: bool = False  # whether the times are days since 1970-01-01

    def __len__(self) -> int:
        return len(self.strata)

    def in_time(self, times: ParsedColumn, name: str) -> Self:
        """The same keys with times; a copy, since pandas before 3 shares an array that it was given."""
        return replace(self, times=times.values.to_numpy(copy=True), ordered_by=name, dates=times.kind == "date")

    def take(self, rows: np.ndarray) -> Self:
        """The keys of some rows."""
        return type(self)(
            self.strata[rows],
            None if self.groups is None else np.unique(self.groups[rows], return_inverse=True)[1],
            None if self.times is None else self.times[rows],
            self.grouped_by,
            self.ordered_by,
            self.dates,
        )
