"""What is known of a split once it was made: for study.json, for notes, and for whoever splits further."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np

from bridle.data.holdout import Split
from bridle.data.row_keys import RowKeys
from bridle.data.splits import Splits
from bridle_audit.wording import counted

__all__ = ["SplitRecord", "record_split"]

EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class SplitRecord:
    """How the rows of a data set came into their splits; without arguments, that of splits which were given as such."""

    info: dict[str, Any] = field(default_factory=lambda: {"kind": "given", "varies": False, "leaks": {}})
    notes: tuple[str, ...] = ()
    keys: RowKeys | None = None  # of the training rows
    remake: Callable[[int], Any] | None = None  # makes the Data of another repeat; None where there is but one split


def record_split(
    splits: Splits, keys: RowKeys, split: Split, number: int, remake: Callable[[int], Any] | None = None
) -> SplitRecord:
    """Return what there is to say of the split of repeat ``number``, and how it is made for another."""
    has_folds = splits.kind == "kfold" or (splits.varies and keys.times is not None)
    sides = {side: rows for side, rows in split._asdict().items() if len(rows)}
    info: dict[str, Any] = {
        "kind": splits.kind if splits.column is None else "column",
        "seed": splits.seed,
        "folds": splits.folds if has_folds else None,
        "varies": splits.varies,
        "repeat": number,
        "groups": None if keys.groups is None else keys.grouped_by,
        "time": None if keys.times is None else keys.ordered_by,
        "column": splits.column,
        "leaks": {},
    }
    notes = [*varying_note(info)]
    if keys.groups is not None:
        info["group_counts"] = {side: len(np.unique(keys.groups[rows])) for side, rows in sides.items()}
        info["leaks"]["groups"] = group_leaks(keys.groups, sides)
        notes += group_notes(keys.grouped_by, info)
    if keys.times is not None:
        info["times"] = {
            side: [time_text(keys, each) for each in ends(keys.times[rows])] for side, rows in sides.items()
        }
        info["leaks"]["time"] = time_leaks(keys.times, sides)
        notes += time_notes(keys.ordered_by, info)
    return SplitRecord(info, tuple(notes), keys.take(split.train), remake)


def varying_note(info: dict[str, Any]) -> list[str]:
    """Say that each seed has a split of its own, where it has."""
    if not info["varies"]:
        return []
    how = f"{info['folds']} {'windows' if info['time'] else 'folds'}" if info["folds"] else "repeated hold-out"
    return [f"every seed has a split of its own ({how}): what is said of rows here is of the first"]


def group_leaks(groups: np.ndarray, sides: dict[str, np.ndarray]) -> dict[str, int]:
    """Count the rows of valid and of test whose group is in train as well."""
    return {
        side: int(np.isin(groups[rows], groups[sides["train"]]).sum())
        for side, rows in sides.items()
        if side != "train"
    }


def group_notes(name: str, info: dict[str, Any]) -> list[str]:
    """Say how many groups there are on each side, and how many rows are of a group that train knows."""
    counts = ", ".join(f"{counted('group', count)} in {side}" for side, count in info["group_counts"].items())
    notes = [f"split by the groups of {name!r}: {counts}"]
    leaks = [f"{counted('row', count)} of {side}" for side, count in info["leaks"]["groups"].items() if count]
    if leaks:
        notes.append(
            f"a leak: {' and '.join(leaks)} belong to groups of {name!r} that are in train as well; there a score says "
            "little of new groups"
        )
    return notes


def ends(times: np.ndarray) -> list[Any]:
    """The first and the last time."""
    return [times.min().item(), times.max().item()]


def time_text(keys: RowKeys, time: float) -> float | str:
    """A time as JSON has it: a date, with the time of day where there is one, or the number itself."""
    if not keys.dates:
        return time
    days, seconds = divmod(round(time * 86400), 86400)
    try:
        day = (EPOCH + timedelta(days=days)).isoformat()
    except OverflowError:
        return time
    return f"{day} {timedelta(seconds=seconds)}" if seconds else day


def time_leaks(times: np.ndarray, sides: dict[str, np.ndarray]) -> dict[str, int]:
    """Count the training rows that are later than the first row of valid, and of test."""
    train = times[sides["train"]]
    return {side: int((train > times[rows].min()).sum()) for side, rows in sides.items() if side != "train"}


def time_notes(name: str, info: dict[str, Any]) -> list[str]:
    """Say when each side begins and ends, and how many training rows are later than what they are tested on."""
    spans = ", ".join(f"{side} {first} to {last}" for side, (first, last) in info["times"].items())
    notes = [f"times by {name!r}: {spans}"]
    leaks = [f"{count} than the first row of {side}" for side, count in info["leaks"]["time"].items() if count]
    if leaks:
        notes.append(
            f"a leak: training rows are later by {name!r} than what they are measured on ({', '.join(leaks)}); such "
            "scores say little of what is to come"
        )
    return notes
