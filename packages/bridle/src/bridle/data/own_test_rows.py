"""Data sets that come with test rows of their own, as MNIST does: only train and valid are drawn anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bridle.data.array_rows import ArrayRows
from bridle.data.dataset import Data
from bridle.data.row_keys import RowKeys
from bridle.data.splits import DEFAULT, Splits

__all__ = ["drawn_anew"]


def drawn_anew(data: Data, splits: Splits, notes: Sequence[str] = ()) -> Data:
    """The data themselves under the default split, else with train and valid drawn as asked, in the same proportion.

    ``notes`` are those that whoever read the data gave it.
    """
    if splits == DEFAULT or data.x_test is None or data.y_test is None:
        return data
    x, y = (np.concatenate(pair) for pair in ((data.x_train, data.x_valid), (data.y_train, data.y_valid)))
    strata = y if data.task == "classification" else np.zeros(len(y), np.int64)
    kept = f"the {len(data.x_test)} test rows are those of the data set: only train and valid are drawn anew"
    options = {
        "task": data.task,
        "name": data.name,
        "target": data.target,
        "classes": data.classes,
        "features": data.features,
        "notes": (*notes, kept),
    }
    test = (data.x_test, data.y_test)
    return ArrayRows(Data, x, y, RowKeys(strata), splits, options, test=test, valid_rows=len(data.x_valid)).data()
