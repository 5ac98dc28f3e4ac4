"""All rows of a table, its columns read and typed, from which the splits of every repeat are taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bridle.data.column_summary import Column, column_notes
from bridle.data.column_types import ParsedColumn
from bridle.data.dataset import Data
from bridle.data.drawing import draw_split
from bridle.data.holdout import Split
from bridle.data.preprocessing import ColumnOutcome, Prepared, prepare
from bridle.data.row_keys import RowKeys
from bridle.data.split_record import record_split
from bridle.data.splits import Splits
from bridle.errors import InputError

__all__ = ["TableRows"]


@dataclass(frozen=True, eq=False)
class TableRows:
    """Columns and target of a table, and whatever splits its rows; :meth:`data` makes the data set of a repeat.

    Columns are turned into features by the training rows of each repeat alone.
    """

    names: Sequence[str]  # all columns beside the target, in the table's order
    roles: Mapping[str, Column]  # those that say something of rows and are no features
    read: Mapping[str, ParsedColumn]  # the others
    dropped: Mapping[str, str]  # why some of them are left out whatever the split is
    suspected: Mapping[str, tuple[str, ...]]  # what a reader should know of the others
    y: np.ndarray  # class ids or amounts, of shape (rows,)
    keys: RowKeys
    splits: Splits
    named: Split | None  # the split that a column names
    weights: np.ndarray | None
    options: dict[str, Any]  # task, name, target and classes
    notes: tuple[str, ...]  # of whoever read the table

    def data(self, number: int = 0) -> Data:
        """The data set as split for repeat ``number``."""
        split = self.named or draw_split(self.splits, self.keys, number)
        parts = [rows for rows in split if len(rows)]  # a column may name no test rows
        prepared = self.prepared(parts)
        made = prepared.made | {name: ColumnOutcome(0, dropped=why) for name, why in self.dropped.items()}
        columns = [self.describe(name, made) for name in self.names]
        return Data(
            *(array for x, rows in zip(prepared.parts, parts, strict=True) for array in (x, self.y[rows])),
            features=prepared.names,
            columns=columns,
            notes=(*self.notes, *column_notes(columns)),
            sample_weight=None if self.weights is None else self.weights[split.train],
            split_record=record_split(self.splits, self.keys, split, number, self.data if self.splits.varies else None),
            **self.options,
        )

    def prepared(self, parts: list[np.ndarray]) -> Prepared:
        """The columns as numbers, fitted on the first of the parts; ``ValueError`` where none is left."""
        typed = pd.DataFrame({name: each.values for name, each in self.read.items() if name not in self.dropped})
        train, *others = (typed.iloc[rows] for rows in parts)
        try:
            return prepare(train, others)
        except ValueError as error:  # no column is left, and how they were read may say why
            phrases = [f"{name}: {phrase}" for name, each in self.read.items() for phrase in each.notable]
            raise InputError("; ".join([str(error), *phrases])) from error

    def describe(self, name: str, outcomes: Mapping[str, ColumnOutcome]) -> Column:
        """Return the account of a column: how it was read, and its features."""
        if name in self.roles:
            return self.roles[name]
        read, made = self.read[name], outcomes[name]
        if made.dropped:
            return Column(name, "dropped", 0, (*read.done, *made.done), (*read.notable, made.dropped))
        notable = (*read.notable, *made.notable, *self.suspected[name])
        return Column(name, read.kind, made.features, (*read.done, *made.done), notable)
