"""How a model is called with a batch, which may be a tensor, several or named ones."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn


def call(model: nn.Module, x: Any, signature: nn.Module | None = None) -> Any:
    """What a model gives for a batch: a tensor, a tuple of arguments, or a dictionary of named ones.

    A dictionary or a tuple goes in as it is where the model takes one argument. ``signature`` is whose forward says so,
    if the model is a wrapper.
    """
    if isinstance(x, Tensor):
        return model(x)
    takes = inspect.signature((signature or model).forward)
    if isinstance(x, Mapping) and ({*x} <= {*takes.parameters} or not takes_one(takes, x)):
        return model(**x)
    if isinstance(x, tuple | list) and not takes_one(takes, x):
        return model(*x)
    return model(x)


def takes_one(takes: inspect.Signature, x: Any) -> bool:
    """Whether a function may be called with this and nothing else."""
    try:
        takes.bind(x)
    except TypeError:
        return False
    return True


def call_of(example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """An example as a call's arguments: a tuple holds all positional ones, a dictionary those by name."""
    if isinstance(example, Mapping):
        return (), dict(example)
    return tuple(example) if isinstance(example, tuple | list) else (example,), {}


def one_row(value: Any) -> Any:
    """The first row of a batch."""
    return value[:1] if isinstance(value, Tensor) and value.ndim else value


def on_device(example: Any, device: torch.device) -> Any:
    """An example, a tensor or a tuple or a dictionary of such, on the device."""
    if isinstance(example, Mapping):
        return {name: on_device(each, device) for name, each in example.items()}
    if isinstance(example, tuple | list):
        return tuple(on_device(each, device) for each in example)
    return example.to(device) if isinstance(example, Tensor) else example


def first_tensor(values: Any) -> Tensor | None:
    """The first tensor of a batch's part, be it one, several or named ones."""
    if isinstance(values, Tensor):
        return values
    several: Iterable[Any] = values.values() if isinstance(values, Mapping) else values if is_listed(values) else ()
    return next((found for each in several if (found := first_tensor(each)) is not None), None)


def is_listed(values: Any) -> bool:
    """Whether a batch's part is a list or a tuple."""
    return isinstance(values, list | tuple)
