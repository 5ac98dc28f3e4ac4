"""The random numbers that a whole program shares, torch's, NumPy's and Python's: left as they were, or from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch


class Position(NamedTuple):
    """Where the shared generators stand; two are equal where the next numbers are."""

    python: Any
    numpy: tuple[Any, ...]
    torch: tuple[bytes, ...]  # of the CPU, and of each CUDA device once CUDA runs

    @classmethod
    def now(cls) -> Position:
        """Where they stand now."""
        kind, keys, *rest = np.random.get_state()
        states = (each.get_state().numpy().tobytes() for each in generators())
        return cls(random.getstate(), (kind, np.asarray(keys).tobytes(), *rest), tuple(states))

    def take(self) -> None:
        """Put them where they stood."""
        random.setstate(self.python)
        kind, keys, *rest = self.numpy
        np.random.set_state((kind, np.frombuffer(keys, dtype=np.uint32), *rest))
        for generator, state in zip(generators(), self.torch, strict=False):
            generator.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))


def generators() -> list[torch.Generator]:
    """Torch's own generators."""
    return [torch.default_generator, *(torch.cuda.default_generators if torch.cuda.is_initialized() else ())]


def begin(seed: int) -> None:
    """Start all of them from a seed."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    for generator in generators():
        generator.manual_seed(seed)


@contextmanager
def unmoved() -> Iterator[None]:
    """Whatever is drawn within, the shared generators then stand where they stood."""
    position = Position.now()
    try:
        yield
    finally:
        position.take()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within, the shared generators start from a seed; then they stand where they stood."""
    with unmoved():
        begin(seed)
        yield


class Stream:
    """Shared random numbers of somebody's own: from a seed on, each time from where they stopped."""

    def __init__(self, seed: int) -> None:
        with seeded(seed):
            self.position = Position.now()

    @contextmanager
    def resumed(self) -> Iterator[None]:
        """Within, the shared generators go on from where this stream stopped."""
        with unmoved():
            self.position.take()
            yield
            self.position = Position.now()
