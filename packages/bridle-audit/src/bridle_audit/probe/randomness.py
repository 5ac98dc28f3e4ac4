"""The random generators that a whole program shares: torch's, NumPy's and Python's."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

__all__ = ["GeneratorStates", "generators", "generators_restored"]


class GeneratorStates(NamedTuple):
    """The states of the shared generators; two are equal if the next numbers are."""

    python: Any
    numpy: tuple[Any, ...]
    torch: tuple[bytes, ...]  # of the CPU, and of each CUDA device once CUDA runs

    @classmethod
    def current(cls) -> GeneratorStates:
        """Return the present states."""
        kind, keys, *rest = np.random.get_state()
        states = (each.get_state().numpy().tobytes() for each in generators())
        return cls(random.getstate(), (kind, np.asarray(keys).tobytes(), *rest), tuple(states))

    def restore(self) -> None:
        """Set the shared generators to these states."""
        random.setstate(self.python)
        kind, keys, *rest = self.numpy
        np.random.set_state((kind, np.frombuffer(keys, dtype=np.uint32), *rest))
        for generator, state in zip(generators(), self.torch, strict=False):
            generator.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))


def generators() -> list[torch.Generator]:
    """Return torch's default generators: the CPU's, and those of CUDA devices once CUDA runs."""
    return [torch.default_generator, *(torch.cuda.default_generators if torch.cuda.is_initialized() else ())]


@contextmanager
def generators_restored() -> Iterator[None]:
    """Restore the states of the shared generators after the block."""
    states = GeneratorStates.current()
    try:
        yield
    finally:
        states.restore()
