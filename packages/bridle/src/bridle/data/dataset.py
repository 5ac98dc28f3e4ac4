"""A data set, split into train, valid and test, in the one form that everything else in bridle takes.

>>> data = Data([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"], [[4.0], [5.0]], ["no", "yes"])
>>> data
Data(arrays: classification, rows 4/2/0, 1 feature, 2 outputs)
>>> data.y_train.tolist(), data.classes
([0, 0, 1, 1], ('no', 'yes'))
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bridle.data.arrays import numeric_array, to_float32
from bridle.data.column_summary import Column
from bridle.data.duplicates import duplicate_notes
from bridle.data.float32_range import fit_to_float32, mean_and_spread
from bridle.data.missing_classes import absence_notes
from bridle.data.names import check_different, check_index, column_names, feature_names, order_of
from bridle.data.target_encoding import check_task, encode, infer_task, surprising_task_note, target_array
from bridle.data.vocabulary import lookalike_notes
from bridle.errors import InputError
from bridle.results import SPLITS
from bridle_audit.wording import counted

__all__ = ["Data"]

CHANNELS = (1, 3, 4)  # of images: grey, colours, colours with transparency


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Data:
    """Inputs and targets of the splits; ``x_test`` and ``y_test`` may be absent.

    Takes NumPy arrays, lists, pandas objects and CPU tensors. Inputs are kept as C-contiguous float32 of shape
    (rows, ...features). Labels of any kind become class ids 0 ... K - 1 (int64, shape (rows,)), named by ``classes`` in
    the order of the labels; with ``classes`` given, targets are ids or names of these. Regression targets become
    float32 in their own units, float64 where float32 would round away what tells them apart; features of which that
    holds are standardized first, which a note says. All arrays are copied: what the caller does with theirs later
    changes nothing here.

    Columns that have names, as those of a data frame, are matched by name: those of x_valid and x_test are put in
    x_train's order. Targets with an index must have that of their inputs.

    ``task`` None tells it by y_train: words, booleans and integers are labels, and so are whole numbers of
    floating-point type with at most 20 distinct values that each occur twice on average; others are amounts.

    ``notes`` are the sentences of whoever made the arrays on what was decided on the way; classes that a split
    lacks and rows that stand in more than one split are told behind them.

    Raises ``ValueError`` for shapes that disagree, arrays that are not numeric or not finite, missing targets (with
    their rows), constant targets, labels that y_train never has, an empty split, masked values, and names of
    columns or rows that differ.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_valid: np.ndarray
    y_valid: np.ndarray
    x_test: np.ndarray | None
    y_test: np.ndarray | None
    task: str
    name: str
    target: str  # what y is called
    classes: tuple[str, ...]  # empty for a regression
    features: tuple[str, ...]  # one name per input, or empty
    columns: tuple[Column, ...]  # what was made of each column of a table; empty where there was none
    source: dict[str, Any]  # what was loaded and how, as `load` was asked; empty for arrays
    notes: tuple[str, ...]  # what one should know of the data, as sentences; a study repeats them

    def __init__(  # noqa: PLR0917  (three pairs: the order in which everyone passes them)
        self,
        x_train: object,
        y_train: object,
        x_valid: object,
        y_valid: object,
        x_test: object = None,
        y_test: object = None,
        *,
        task: str | None = None,
        name: str = "arrays",
        target: str = "",
        classes: Sequence[str] = (),
        features: Sequence[str] = (),
        columns: Sequence[Column] = (),
        notes: Sequence[str] = (),
    ) -> None:
        check_task(task)
        check_texts({"name": name, "target": target})
        check_lists({"classes": classes, "features": features, "notes": notes})
        check_different(tuple(map(str, classes)), "classes has twice the name")
        pairs = given_splits({"train": (x_train, y_train), "valid": (x_valid, y_valid), "test": (x_test, y_test)})
        columns_of = {split: column_names(x, f"x_{split}") for split, (x, _) in pairs.items()}
        xs = {split: numeric_array(x, f"x_{split}") for split, (x, _) in pairs.items()}
        ys = {split: target_array(y, f"y_{split}") for split, (_, y) in pairs.items()}
        for split, (x, y) in pairs.items():
            check_index(x, y, split)
        named = feature_names(features, columns_of["train"], math.prod(xs["train"].shape[1:]))
        xs, reordered = columns_in_order(xs, columns_of, named)
        check_shapes(xs, ys)
        xs, moved = fit_to_float32(xs, named)
        xs = {split: to_float32(x, f"x_{split}") for split, x in xs.items()}
        decided = task or infer_task(ys["train"])
        encoded, class_names = encode(ys, decided, tuple(map(str, classes)))
        all_notes = (
            *notes,
            *(() if task or classes else surprising_task_note(ys["train"], decided)),
            *(() if columns else (f"classes: {phrase}" for phrase in lookalike_notes(class_names))),
            *reordered,
            *channels_last_notes(xs["train"].shape[1:]),
            *moved,
            *absence_notes(encoded, class_names),
            *duplicate_notes({split: (x, encoded[split]) for split, x in xs.items()}),
        )
        fields: dict[str, Any] = {
            **{f"x_{split}": xs.get(split) for split in SPLITS},
            **{f"y_{split}": encoded.get(split) for split in SPLITS},
            "task": decided,
            "name": name,
            "target": target,
            "classes": class_names,
            "features": named,
            "columns": tuple(columns),
            "source": {},
            "notes": all_notes,
        }
        for field, value in fields.items():
            object.__setattr__(self, field, value)

    def __repr__(self) -> str:
        rows = "/".join(map(str, self.rows.values()))
        size = f"{counted('feature', self.n_inputs)}, {counted('output', self.n_outputs)}"
        return f"Data({self.name}: {self.task}, rows {rows}, {size})"

    @property
    def rows(self) -> dict[str, int]:
        """The rows of every split; 0 for a test split that is absent."""
        return {split: len(self.splits()[split][0]) if split in self.splits() else 0 for split in SPLITS}

    @property
    def n_inputs(self) -> int:
        """The numbers in one row of ``x``, flattened."""
        return math.prod(self.x_train.shape[1:])

    @property
    def n_outputs(self) -> int:
        """The number of outputs of a network: one per class, or one."""
        return len(self.classes) or 1

    @cached_property
    def target_scale(self) -> tuple[float, float]:
        """Mean and standard deviation (divisor n) of y_train; (0, 1) for classification."""
        if self.task == "classification":
            return 0.0, 1.0
        return mean_and_spread(self.y_train.astype(np.float64))

    def splits(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """``{"train": (x, y), "valid": (x, y), "test": (x, y)}``; without "test" where there is none."""
        found = {"train": (self.x_train, self.y_train), "valid": (self.x_valid, self.y_valid)}
        if self.x_test is not None and self.y_test is not None:
            found["test"] = (self.x_test, self.y_test)
        return found

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the task and every array, in hexadecimal: equal for equal data, whatever it is called."""
        digest = hashlib.sha256(self.task.encode())
        for split, arrays in self.splits().items():
            for array in arrays:
                digest.update(f"{split} {array.dtype.str} {array.shape}".encode())
                digest.update(array.data.cast("B"))
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Return what a report needs to know of the data, as plain JSON values."""
        return {
            "name": self.name,
            "task": self.task,
            "target": self.target,
            "rows": self.rows,
            "features": self.n_inputs,
            "outputs": self.n_outputs,
            "classes": list(self.classes),
            "fingerprint": self.fingerprint,
            "columns": [column.to_json() for column in self.columns],
            **({"source": self.source} if self.source else {}),
        }


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
