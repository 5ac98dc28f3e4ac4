"""The columns of a table that say something of its rows and are no features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from bridle.data.column_summary import Column
from bridle.data.holdout import Split
from bridle.data.row_keys import RowKeys
from bridle.data.row_roles import RowColumn, group_numbers, named_split, time_values, weight_values
from bridle.errors import InputError
from bridle_audit.wording import nearest

__all__ = ["check_roles", "read_roles"]

LEFT_OUT = {  # why such a column is no feature
    "groups": "it says which rows belong together",
    "time": "it orders the rows in time; copy it under another name to have it as a feature too",
    "column": "it says which rows are train, valid and test",
    "weights": "it weighs the rows in the training loss",
}


class RowRoles(NamedTuple):
    """What the columns say: by what the rows are split, a split of the user's own, weights of shape (rows,)."""

    columns: dict[str, Column]  # the account of each, by its name
    keys: RowKeys
    split: Split | None
    weights: np.ndarray | None


def check_roles(roles: Mapping[str, str], names: list[str], target: str) -> None:
    """Raise ``ValueError`` for a column that there is not, that is the target, or that has two roles."""
    by_name: dict[str, str] = {}
    for role, name in roles.items():
        if name == target:
            raise InputError(f"{role} names the target {target!r}; it needs a column of its own")
        if name not in names:
            raise InputError(f"{role}: there is no column {name!r}{nearest(str(name), names)}")
        if name in by_name:
            raise InputError(f"{role} and {by_name[name]} both name the column {name!r}; each needs its own")
        by_name[name] = role


def read_roles(frame: pd.DataFrame, roles: Mapping[str, str], strata: np.ndarray, *, gaps: bool) -> RowRoles:
    """Read the columns of ``roles``; with ``gaps`` some words stand for missing values, as in text."""
    columns = {
        role: RowColumn(f"column {name!r} (rows counted from 1)", frame[name], gaps, 1) for role, name in roles.items()
    }
    keys = RowKeys(strata)
    if "groups" in columns:
        keys = replace(keys, groups=group_numbers(columns["groups"]), grouped_by=roles["groups"])
    done: dict[str, tuple[str, ...]] = {}
    if "time" in columns:
        times = time_values(columns["time"])
        keys, done["time"] = keys.in_time(times, roles["time"]), (*times.done, *times.notable)
    return RowRoles(
        {name: Column(name, "dropped", 0, done.get(role, ()), (LEFT_OUT[role],)) for role, name in roles.items()},
        keys,
        named_split(columns["column"]) if "column" in columns else None,
        weight_values(columns["weights"]) if "weights" in columns else None,
    )
