"""How a model is called with a batch: as it is, or as several arguments."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

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
