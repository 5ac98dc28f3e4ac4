"""Methods of a trainer that an adapter overrides for a while, and the batches that it takes from one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import TypeVar

import torch

from bridle.training_rules import MEASURED_ROWS

__all__ = ["first_batches", "override_method"]

BatchT = TypeVar("BatchT")


def override_method(undo: ExitStack, owner: object, name: str, method: Callable[..., object]) -> None:
    """Override a method of one object until ``undo`` is closed; ``method`` is given the overridden one first."""
    own, before = getattr(owner, name), vars(owner).get(name)
    setattr(owner, name, functools.wraps(own)(functools.partial(method, own)))
    undo.callback(setattr, owner, name, before) if before is not None else undo.callback(delattr, owner, name)


def first_batches(loader: Callable[[], Iterable[BatchT]], count_rows: Callable[[BatchT], int]) -> Iterator[BatchT]:
    """Yield the first training batches, as many as running statistics are measured on, drawing no random numbers."""
    rows = 0
    with torch.random.fork_rng(devices=[]):  # a DataLoader draws a number when it begins
        for batch in loader():
            yield batch
            rows += count_rows(batch)
            if rows >= MEASURED_ROWS:
                return
