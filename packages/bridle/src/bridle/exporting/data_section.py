"""The data section of ``train``: sizes, layout and scaling of the rows and targets that it is given."""

from __future__ import annotations

from bridle import feature_layout
from bridle.exporting.formulas import copy_definition
from bridle.exporting.source import module_source
from bridle.exporting.spec import TrainingSpec

__all__ = ["data_lines"]


def data_lines(spec: TrainingSpec, *, with_layout: bool) -> list[str]:
    """Return the lines that read the sizes of the data, and their layout where a formula takes it."""
    outputs = "int(y_train.max()) + 1" if spec.task == "classification" else "1"
    if with_layout:
        copy_definition(spec.script, module_source(feature_layout), "Layout")
    lines = image_lines(outputs, with_layout) if spec.network.images else table_lines(outputs, with_layout)
    return [*lines, *(target_lines() if spec.task == "regression" else class_lines(spec))]


def image_lines(outputs: str, with_layout: bool) -> list[str]:
    """Return the lines for a network that takes images."""
    own = ["layout = Layout(image=(channels, height, width))"] * with_layout
    return ["channels, height, width = x_train.shape[1:]", f"outputs = {outputs}", *own]


def table_lines(outputs: str, with_layout: bool) -> list[str]:
    """Return the lines for a network that takes rows of features."""
    own = [
        "image = (1, *x_train.shape[1:])[-3:] if x_train.ndim > 2 else None",
        "layout = Layout(image, groups=tuple(range(inputs)))  # each column of a table for itself",
        "x_train, x_valid = x_train.flatten(1), x_valid.flatten(1)",
    ]
    return [f"inputs, outputs = x_train[0].numel(), {outputs}", *(own if with_layout else [])]


def class_lines(spec: TrainingSpec) -> list[str]:
    """Return the lines that weigh the classes, where the protocol does."""
    if spec.protocol.class_weight is None:
        return []
    return [
        "counts = y_train.bincount().to(x_train)",
        "class_weights = len(y_train) / (outputs * counts)  # each class counts alike",
    ]


def target_lines() -> list[str]:
    """Return the lines that standardize the targets of a regression."""
    return [
        "mean, deviation = y_train.mean(), y_train.std(correction=0)",
        "y_train, y_valid = ((y[:, None] - mean) / deviation for y in (y_train, y_valid))",
    ]
