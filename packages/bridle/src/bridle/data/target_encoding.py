"""Targets: which task they pose, class ids for labels, float32 for numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bridle.data.arrays import as_array, copied_as, describe_rows
from bridle.data.float32_range import is_lost, is_wide
from bridle.errors import InputError
from bridle_audit.wording import counted, first_few, plural

__all__ = [
    "check_present",
    "check_task",
    "check_varied",
    "encode",
    "infer_task",
    "label_ids",
    "label_name",
    "surprising_task_note",
    "target_array",
    "task_note",
]

TASKS = ("classification", "regression")

# Note [labels or amounts]
# Words and booleans are labels. Numbers that are not whole are amounts. Whole numbers can be either (digits 0 ... 9,
# or house prices). They are taken for labels where there are few of them, each met twice on average; an array of
# integer type is taken for labels always, since libraries hand out labels so. `task=` overrides.
FEW = 20
YES_AND_NO = 2


def target_array(given: object, name: str) -> np.ndarray:
    """Targets as an array of shape (rows,); ``ValueError`` for another shape, or missing or infinite values."""
    y = as_array(given, name, "numbers or words")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise InputError(f"{name} must have shape (rows,), one target per row, got {y.shape}")
    if y.dtype.kind not in "biufUSO":
        raise InputError(f"{name} must hold numbers or words, got {y.dtype}")
    check_present(y, name)
    return y


def check_present(y: np.ndarray, name: str, first: int = 0) -> None:
    """Raise ``ValueError`` that counts and names the rows whose target is missing or infinite."""
    missing = np.asarray(pd.isna(y))
    if missing.any():
        raise InputError(f"{name} is missing in {describe_rows(missing, first)}; fill or leave out these rows")
    infinite = np.isinf(y) if y.dtype.kind == "f" else np.zeros(len(y), bool)
    if infinite.any():
        raise InputError(f"{name} is infinite in {describe_rows(infinite, first)}; correct or leave out these rows")


def infer_task(y: np.ndarray, *, integers_are_labels: bool = True) -> str:
    """The task that these targets pose; see Note [labels or amounts].

    >>> infer_task(np.array(["cat", "dog"])), infer_task(np.array([0.5, 1.0])), infer_task(np.array([0.0, 1.0] * 2))
    ('classification', 'regression', 'classification')
    """
    if y.dtype.kind in "bUSO" or (integers_are_labels and y.dtype.kind in "iu"):
        return "classification"
    few = np.unique(y)
    labels = bool(len(few) <= FEW and len(y) >= 2 * len(few) and (few == np.rint(few)).all())
    return "classification" if labels else "regression"


def task_note(y: np.ndarray, task: str, option: str = "--task {}") -> tuple[str, ...]:
    """The sentence for a task that was told by whole numbers, which can be labels as well as amounts.

    Two of them are a yes and a no, which nobody takes for amounts.

    >>> task_note(np.arange(44.0) % 22, "regression")
    ('task: regression (22 whole numbers; --task classification if they are labels)',)
    """
    if y.dtype.kind not in "iuf" or not (y == np.rint(y)).all():
        return ()
    other, these = ("classification", "labels") if task == "regression" else ("regression", "amounts")
    count = len(np.unique(y))
    if task == "classification" and count <= YES_AND_NO:
        return ()
    return (f"task: {task} ({count} whole numbers; {option.format(other)} if they are {these})",)


def surprising_task_note(y: np.ndarray, task: str) -> tuple[str, ...]:
    """Return a note if the task inferred from an array may surprise: many labels, or amounts without decimals."""
    expected = task == "classification" and len(np.unique(y)) <= FEW
    return () if expected else task_note(y, task, "task={!r}")


def check_task(task: str | None) -> None:
    """Raise ``ValueError`` unless ``task`` is None or one that there is."""
    if task is not None and not (isinstance(task, str) and task in TASKS):
        raise InputError(f"task must be one of {', '.join(TASKS)}, or None to tell it by the targets, got {task!r}")


def regression_targets(y: np.ndarray, name: str, kind: type[np.floating[Any]] = np.float32) -> np.ndarray:
    """Regression targets, of type ``kind``, in their own units."""
    if y.dtype.kind not in "biuf":
        raise InputError(
            f"{name} must hold numbers for a regression, got {label_name(y[0])!r}; words need task='classification'"
        )
    numbers = copied_as(y, kind)
    check_present(numbers, f"{name} in {np.dtype(kind).name}")
    return numbers


def target_dtype(y_train: np.ndarray) -> type[np.floating[Any]]:
    """float32, or float64 where float32 would round away what tells the training targets apart."""
    return np.float64 if is_wide(y_train) and is_lost(y_train.reshape(-1, 1))[0] else np.float32


def check_exact(y_train: np.ndarray) -> None:
    """Raise ``ValueError`` for whole numbers that lie so far from zero that even float64 makes one of several."""
    if y_train.dtype.kind not in "iu" or len(np.unique(y_train)) == len(np.unique(y_train.astype(np.float64))):
        return
    raise InputError(
        f"y_train has whole numbers beyond 2^53, such as {y_train.max()}, of which float64 makes one of several; "
        "subtract from all targets what they have in common"
    )


def class_names(y_train: np.ndarray) -> tuple[str, ...]:
    """The distinct labels as text, in the order of the labels themselves (2 before 10)."""
    return tuple(label_name(label) for label in np.unique(y_train).tolist())


def class_ids(y: np.ndarray, name: str, classes: tuple[str, ...]) -> np.ndarray:
    """Labels as ids, int64; ``ValueError`` names labels that the classes, which are those of y_train, do not have."""
    labels, codes = np.unique(y, return_inverse=True)
    known = {label: number for number, label in enumerate(classes)}
    names = [label_name(label) for label in labels.tolist()]
    strangers = [each for each in names if each not in known]
    if strangers:
        which = f"{plural('label', len(strangers))} {first_few(strangers, form=repr)}"
        occur = "occurs" if len(strangers) == 1 else "occur"
        raise InputError(
            f"{name} has the {which}, which never {occur} in y_train; every class needs training rows (amounts "
            "rather than labels need task='regression')"
        )
    return np.array([known[each] for each in names], dtype=np.int64)[codes.reshape(-1)]


def label_ids(y: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels as ids, int64, in the order of the labels, and the names of these."""
    labels, codes = np.unique(y, return_inverse=True)
    return codes.reshape(-1), tuple(label_name(label) for label in labels.tolist())


def listed_class_ids(y: np.ndarray, name: str, classes: tuple[str, ...]) -> np.ndarray:
    """Ids or names, for classes that the caller has listed."""
    if y.dtype.kind in "US":
        return class_ids(y, name, classes)
    outside = (y < 0) | (y >= len(classes)) | (y != np.rint(y))
    if outside.any():
        count = counted("class", len(classes))
        raise InputError(f"{name} must hold ids 0 ... {len(classes) - 1} of the {count}, got {y[outside][0]}")
    return copied_as(y, np.int64)


def label_name(label: object) -> str:
    """A label as a name: 3.0 is "3"."""
    if isinstance(label, bytes):
        return label.decode("utf-8", "backslashreplace")  # so that different labels have different names
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def check_varied(y: np.ndarray, name: str, classes: tuple[str, ...] = ()) -> None:
    """Raise ``ValueError`` where every row has the same target: there is nothing to learn."""
    if (y == y[0]).all():
        first = repr(classes[int(y[0])]) if classes else y[0]
        value = first if isinstance(first, str) else f"{first:g}"
        raise InputError(f"{name} is constant: every row has {value}; a target needs at least two values")


def encode(
    given: Mapping[str, np.ndarray], task: str, classes: tuple[str, ...]
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Encode every split's targets; ``given`` is keyed "train", "valid", "test". Also returns the class names."""
    if task == "regression":
        if classes:
            raise InputError(f"a regression has no classes, got {len(classes)}; leave classes= out")
        check_exact(given["train"])
        kind = target_dtype(given["train"])
        encoded = {split: regression_targets(y, f"y_{split}", kind) for split, y in given.items()}
    elif classes:
        encoded = {split: listed_class_ids(y, f"y_{split}", classes) for split, y in given.items()}
    else:
        classes = class_names(given["train"])
        encoded = {split: class_ids(y, f"y_{split}", classes) for split, y in given.items()}
    check_varied(encoded["train"], "y_train", classes)
    return encoded, classes
