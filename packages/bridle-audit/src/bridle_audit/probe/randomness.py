"""The random numbers that a whole program shares, torch's, NumPy's and Python's, left as they were."""

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


@contextmanager
def unmoved() -> Iterator[None]:
    """Whatever is drawn within, the shared generators then stand where they stood."""
    position = Position.now()
    try:
        yield
    finally:
        position.take()
