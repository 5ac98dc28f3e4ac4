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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from bridle.data.array_rows import ArrayRows
from bridle.data.arrays import numeric_array, to_float32
from bridle.data.column_summary import Column
from bridle.data.drawing import draw_inner
from bridle.data.duplicates import Duplicates, find_duplicates
from bridle.data.float32_range import fit_to_float32, mean_and_spread
from bridle.data.given_arrays import (
    channels_last_notes,
    check_lists,
    check_shapes,
    check_texts,
    columns_in_order,
    given_splits,
    keys_of,
    training_weights,
)
from bridle.data.missing_classes import absence_notes
from bridle.data.names import check_different, check_index, column_names, feature_names
from bridle.data.row_keys import RowKeys
from bridle.data.split_record import SplitRecord
from bridle.data.splits import Splits, as_splits, check_ordered, whole_number
from bridle.data.target_encoding import (
    check_task,
    check_varied,
    encode,
    infer_task,
    label_ids,
    surprising_task_note,
    target_array,
)
from bridle.data.vocabulary import lookalike_notes
from bridle.data.weights import relative_weights, weight_array
from bridle.errors import InputError
from bridle.results import SPLITS
from bridle_audit.wording import counted

__all__ = ["Data"]


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

    ``sample_weight`` are positive numbers, one for each training row, that weigh them in the training loss; they are
    kept as ``w_train``, of mean 1. ``notes`` are the sentences of whoever made the arrays on what was decided on the
    way; classes that a split lacks and rows that stand in more than one split are told behind them. ``split_record`` is
    for those who split rows, as :func:`bridle.load` and :meth:`from_arrays` do.

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
    w_train: np.ndarray | None  # weights of the training rows in the loss, float32 of mean 1; None: all alike
    split_info: dict[str, Any]  # how the rows were split, as plain JSON values; a study keeps it
    split_record: SplitRecord  # the same for repeats and inner folds

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
        sample_weight: object = None,
        split_record: SplitRecord | None = None,
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
            check_index(x, y, f"_{split}")
        named = feature_names(features, columns_of["train"], math.prod(xs["train"].shape[1:]))
        xs, reordered = columns_in_order(xs, columns_of, named)
        check_shapes(xs, ys)
        xs, moved = fit_to_float32(xs, named)
        xs = {split: to_float32(x, f"x_{split}") for split, x in xs.items()}
        decided = task or infer_task(ys["train"])
        encoded, class_names = encode(ys, decided, tuple(map(str, classes)))
        record = split_record or SplitRecord()
        duplicates = find_duplicates({split: (x, encoded[split]) for split, x in xs.items()})
        all_notes = (
            *notes,
            *(() if task or classes else surprising_task_note(ys["train"], decided)),
            *(() if columns else (f"classes: {phrase}" for phrase in lookalike_notes(class_names))),
            *reordered,
            *record.notes,
            *channels_last_notes(xs["train"].shape[1:]),
            *moved,
            *absence_notes(encoded, class_names),
            *duplicates.notes,
        )
        values: dict[str, Any] = {
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
            "w_train": training_weights(sample_weight, len(xs["train"])),
            "split_info": described_split(record, duplicates, weighted=sample_weight is not None),
            "split_record": record,
        }
        for name_of_field, value in values.items():
            object.__setattr__(self, name_of_field, value)

    @classmethod
    def from_arrays(
        cls,
        x: object,
        y: object,
        *,
        splits: Splits | str | Mapping[str, Any] | None = None,
        groups: object = None,
        time: object = None,
        sample_weight: object = None,
        task: str | None = None,
        name: str = "arrays",
        target: str = "",
        features: Sequence[str] = (),
        notes: Sequence[str] = (),
    ) -> Self:
        """Split the rows of ``x`` (rows, ...features) and ``y`` (rows,) into train, valid and test.

        ``splits`` says how, see :class:`bridle.Splits`. ``groups``, ``time`` (dates or numbers) and ``sample_weight``
        have one entry per row. Numbers are taken as they are: what is to be learnt from training rows alone, such as a
        scaling, belongs to a table or into the network. The rest is as for arrays that are split already.

        >>> rows = np.arange(20.0).reshape(10, 2)
        >>> data = Data.from_arrays(rows, list("aabbaabbab"), splits="kfold", groups=list("ppqqrrsstt"))
        >>> data, data.repeat(1).split_info["group_counts"]
        (Data(arrays: classification, rows 6/2/2, 2 features, 2 outputs), {'train': 3, 'valid': 1, 'test': 1})
        """
        asked = as_splits(splits)
        check_task(task)
        check_lists({"features": features, "notes": notes})
        for role, column in asked.columns.items():
            raise InputError(f"{role}={column!r} names a column of a table; give from_arrays one entry per row")
        xs, ys = numeric_array(x, "x"), target_array(y, "y")
        check_index(x, y)
        if len(xs) != len(ys):
            raise InputError(f"x has {counted('row', len(xs))}, but y has {len(ys)}; give one target per row")
        check_varied(ys, "y")
        decided = task or infer_task(ys)
        said = () if task else surprising_task_note(ys, decided)
        ids, classes = label_ids(ys) if decided == "classification" else (ys.copy(), ())
        strata = ids if classes else np.zeros(len(ys), np.int64)
        weights = None if sample_weight is None else weight_array(sample_weight, "sample_weight", len(ys))
        options = {
            "task": decided,
            "name": name,
            "target": target,
            "classes": classes,
            "features": feature_names(features, column_names(x, "x"), math.prod(xs.shape[1:])),
            "notes": (*notes, *said),
        }
        keys = keys_of(strata, groups, time)
        if keys.times is not None:
            check_ordered(asked.seed, keys.ordered_by)
        return ArrayRows(cls, xs.copy(), ids, keys, asked, options, weights).data()

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
        """SHA-256 of the task, every array and the weights, in hexadecimal: equal for equal data, whatever its name."""
        digest = hashlib.sha256(self.task.encode())
        for split, arrays in self.splits().items():
            for array in arrays:
                digest.update(f"{split} {array.dtype.str} {array.shape}".encode())
                digest.update(array.data.cast("B"))
        if self.w_train is not None:
            digest.update(b"weights")
            digest.update(self.w_train.data.cast("B"))
        return digest.hexdigest()

    @property
    def splits_vary(self) -> bool:
        """Whether each repeat has another split."""
        return self.split_record.remake is not None

    def repeat(self, number: int) -> Data:
        """The data as split for repeat ``number``, 0, 1, 2 ...; themselves where the split does not vary.

        What turns columns into features is fitted anew on the training rows of the repeat, so that their number may
        differ from repeat to repeat.
        """
        number = whole_number("the number of a repeat", number, 0)
        remake = self.split_record.remake
        if remake is None or self.split_info["repeat"] == number:
            return self
        try:
            found: Data = remake(number)
        except ValueError as error:
            raise InputError(f"repeat {number} of the split: {error}") from error
        object.__setattr__(found, "source", self.source)
        return found

    def inner(self, fold: int, folds: int) -> Self:
        """The training rows alone, split into train and valid, without test: what a strength is tuned on.

        Fold ``fold`` of ``folds`` is valid; with one fold, a quarter of the rows is. Classes, groups and time order are
        respected as in the split of all rows, and weights go along. The features are those of all training rows, in
        number and scale, so that the folds can be trained together. Raises ``ValueError`` where there are too few rows,
        groups or times.
        """
        folds = whole_number("folds", folds, 1)
        if whole_number("fold", fold, 0) >= folds:
            raise InputError(f"fold must be below folds={folds}, got {fold}")
        strata = self.y_train if self.task == "classification" else np.zeros(len(self.y_train), np.int64)
        keys = replace(self.split_record.keys or RowKeys(strata), strata=strata)
        train, valid = draw_inner(keys, fold, folds)
        check_varied(self.y_train[train], f"the target in the training rows of inner fold {fold}", self.classes)
        found = object.__new__(type(self))
        changed = {
            "x_train": self.x_train[train],
            "y_train": self.y_train[train],
            "x_valid": self.x_train[valid],
            "y_valid": self.y_train[valid],
            "x_test": None,
            "y_test": None,
            "w_train": None if self.w_train is None else relative_weights(self.w_train[train], "sample_weight"),
            "notes": (),
            "split_info": {"kind": "inner", "fold": fold, "folds": folds, "varies": False},
            "split_record": SplitRecord(keys=keys.take(train)),
        }
        for each in fields(self):
            object.__setattr__(found, each.name, changed.get(each.name, getattr(self, each.name)))
        return found

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


def described_split(record: SplitRecord, duplicates: Duplicates, *, weighted: bool) -> dict[str, Any]:
    """Return how rows were split, and how many rows of one side the other has too."""
    leaks = {"rows": duplicates.rows, "features": duplicates.features, **record.info["leaks"]}
    return {**record.info, "weighted": weighted, "leaks": leaks}
