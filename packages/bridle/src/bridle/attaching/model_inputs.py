"""Calls of a model with a batch: a tensor, a tuple of arguments or a dictionary of named ones."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["as_call_arguments", "call_model", "first_row", "first_tensor", "to_device"]


def call_model(model: nn.Module, x: Any, signature: nn.Module | None = None) -> Any:
    """Call a model with a batch: a tensor, a tuple of arguments, or a dictionary of named ones.

    A dictionary or a tuple is passed as it is if the model takes one argument. ``signature`` is the module whose
    forward decides, if the model is a wrapper.
    """
    if isinstance(x, Tensor):
        return model(x)
    takes = inspect.signature((signature or model).forward)
    if isinstance(x, Mapping) and ({*x} <= {*takes.parameters} or not accepts_one_argument(takes, x)):
        return model(**x)
    if isinstance(x, tuple | list) and not accepts_one_argument(takes, x):
        return model(*x)
    return model(x)


def accepts_one_argument(takes: inspect.Signature, x: Any) -> bool:
    """Return True if a function can be called with this argument alone."""
    try:
        takes.bind(x)
    except TypeError:
        return False
    return True


def as_call_arguments(example: object) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Convert an example to args and kwargs: a tuple holds all positional ones, a dictionary those by name."""
    if isinstance(example, Mapping):
        return (), dict(example)
    return tuple(example) if isinstance(example, tuple | list) else (example,), {}


def first_row(value: Any) -> Any:
    """Return the first row of a tensor, as a batch; other values as they are."""
    return value[:1] if isinstance(value, Tensor) and value.ndim else value


def to_device(example: object, device: torch.device) -> Any:
    """Move an example, a tensor or a tuple or dictionary of such, to a device."""
    if isinstance(example, Mapping):
        return {name: to_device(each, device) for name, each in example.items()}
    if isinstance(example, tuple | list):
        return tuple(to_device(each, device) for each in example)
    return example.to(device) if isinstance(example, Tensor) else example


def first_tensor(values: object) -> Tensor | None:
    """Return the first tensor of an input or a target, which may be nested."""
    if isinstance(values, Tensor):
        return values
    if isinstance(values, Mapping):
        values = tuple(values.values())
    several = values if isinstance(values, list | tuple) else ()
    return next((found for each in several if (found := first_tensor(each)) is not None), None)
