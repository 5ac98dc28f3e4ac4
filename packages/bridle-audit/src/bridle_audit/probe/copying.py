"""Probing on a copy: what the user gave is bit-identical afterwards, and so are the random numbers of their program."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from bridle_audit.errors import InputError
from bridle_audit.probe.randomness import generators_restored

__all__ = ["SEED", "copied", "fixed_seed", "seed_all", "state_restored"]

Copied = TypeVar("Copied")
SEED = 0  # of the noise under which everything is probed


def copied(subject: Copied) -> Copied:
    """Return a deep copy; tensors that a module has computed, as old-style weight norm does, are copied too.

    Raises ``InputError`` if Python cannot copy it.
    """
    modules = list(subject.modules()) if isinstance(subject, nn.Module) else []
    held = [each for module in modules for each in vars(module).values() if isinstance(each, Tensor)]
    memo: dict[int, Any] = {id(each): each.detach().clone() for each in held if not each.is_leaf}
    try:
        return copy.deepcopy(subject, memo)
    except Exception as error:  # whatever a class's own __deepcopy__ or pickling raises
        raise InputError(
            f"{type(subject).__name__} cannot be copied ({type(error).__name__}: {error}), and only copies are probed; "
            "make copy.deepcopy work for it, or audit a part of it that can be copied"
        ) from error


@contextmanager
def fixed_seed() -> Iterator[None]:
    """Seed all generators for the block; afterwards the program's random numbers go on as if nothing had been drawn."""
    with generators_restored():
        seed_all()
        yield


def seed_all(seed: int = SEED) -> None:
    """Seed Python's, NumPy's and torch's generators, on every device."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@contextmanager
def state_restored(model: nn.Module) -> Iterator[None]:
    """Restore a model's buffers and modes after the block, and clear its gradients."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(each, each.detach().clone()) for each in model.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for each, value in buffers:
                each.copy_(value)
        for module, mode in modes:
            module.training = mode
        for parameter in model.parameters():
            parameter.grad = None
