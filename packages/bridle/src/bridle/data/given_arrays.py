"""Checks of what makes a data set, where it is given as arrays: shapes, names, channels, groups, times, weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from bridle.data.names import order_of
from bridle.data.row_keys import RowKeys
from bridle.data.row_roles import group_numbers, row_column, time_values
from bridle.data.weights import relative_weights, weight_array
from bridle.errors import InputError
from bridle_audit.wording import counted

__all__ = [
    "channels_last_notes",
    "check_lists",
    "check_shapes",
    "check_texts",
    "columns_in_order",
    "given_splits",
    "keys_of",
    "training_weights",
]

CHANNELS = (1, 3, 4)  # of images: grey, colours, colours with transparency


def check_shapes(xs: dict[str, np.ndarray], ys: dict[str, np.ndarray]) -> None:
    """Raise ``ValueError`` unless every split has a target per row, and rows of the same shape."""
    for split, x in xs.items():
        if len(x) != len(ys[split]):
            raise InputError(
                f"x_{split} has {counted('row', len(x))}, but y_{split} has {len(ys[split])}; give one target per row"
            )
        if x.shape[1:] != xs["train"].shape[1:]:
            raise InputError(
                f"the rows of x_{split} have shape {x.shape[1:]}, those of x_train {xs['train'].shape[1:]}; "
                "all splits must have the same features"
            )


def given_splits(pairs: dict[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
    """The splits that were given; ``ValueError`` where one of a pair lacks the other, or a pair but that of test."""
    for split, (x, y) in pairs.items():
        if (x is None) != (y is None):
            lone, absent = (f"y_{split}", f"x_{split}") if x is None else (f"x_{split}", f"y_{split}")
            raise InputError(f"{lone} was given without {absent}; give both{' or neither' * (split == 'test')}")
        if x is None and split != "test":
            raise InputError(f"x_{split} and y_{split} are None; only the test split may be absent")
    return {split: pair for split, pair in pairs.items() if pair[0] is not None}


def check_texts(given: dict[str, Any]) -> None:
    """Raise ``ValueError`` for what is no text."""
    for option, value in given.items():
        if not isinstance(value, str):
            raise InputError(f"{option} must be a text, got {value!r}")


def check_lists(given: dict[str, Any]) -> None:
    """Raise ``ValueError`` for what is no list of names, such as one name: its letters would be taken for names."""
    for option, values in given.items():
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise InputError(f"{option} must be a list of texts, got {values!r}")


def channels_last_notes(row: tuple[int, ...]) -> tuple[str, ...]:
    """The sentence for images whose channels seem to stand last, where bridle has them first.

    >>> channels_last_notes((3, 28, 28)), channels_last_notes((28, 28))
    ((), ())
    """
    if len(row) != 3 or row[2] not in CHANNELS or row[0] in CHANNELS:
        return ()
    return (
        f"rows of shape {row} are taken as {row[0]} channels of {row[1]} x {row[2]} pixels; if the channels stand "
        "last, give x.transpose(0, 3, 1, 2)",
    )


def columns_in_order(
    xs: dict[str, np.ndarray], columns: dict[str, tuple[str, ...]], features: tuple[str, ...]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The splits with their columns in the order of x_train's, and a sentence for each that had another."""
    orders = {split: order_of(columns[split], columns["train"] or features, f"x_{split}") for split in xs}
    sentence = "the columns of x_{} were in another order than those of x_train and were put in order by name"
    return (
        {split: x[:, orders[split]] if orders[split] else x for split, x in xs.items()},
        [sentence.format(split) for split, order in orders.items() if order],
    )


def keys_of(strata: np.ndarray, groups: object, time: object) -> RowKeys:
    """Return what rows are split by, from arrays with one entry per row."""
    keys = RowKeys(strata)
    if groups is not None:
        keys = replace(keys, groups=group_numbers(row_column(groups, "groups", len(strata))))
    if time is not None:
        keys = keys.in_time(time_values(row_column(time, "time", len(strata))), keys.ordered_by)
    return keys


def training_weights(given: object, rows: int) -> np.ndarray | None:
    """Return the weights of the training rows, of mean 1; None where none are given."""
    return None if given is None else relative_weights(weight_array(given, "sample_weight", rows), "sample_weight")
