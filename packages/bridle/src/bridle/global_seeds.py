"""The random numbers that a whole program shares, torch's, NumPy's and Python's, from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from bridle_audit.probe.randomness import GeneratorStates, generators, generators_restored

__all__ = ["SeededStream", "seeded"]


def seed_all(seed: int) -> None:
    """Start all of them from a seed."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    for generator in generators():
        generator.manual_seed(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within, the shared generators start from a seed; then they stand where they stood."""
    with generators_restored():
        seed_all(seed)
        yield


class SeededStream:
    """Shared random numbers of somebody's own: from a seed on, each time from where they stopped."""

    def __init__(self, seed: int) -> None:
        with seeded(seed):
            self.position = GeneratorStates.current()

    @contextmanager
    def resumed(self) -> Iterator[None]:
        """Within, the shared generators go on from where this stream stopped."""
        with generators_restored():
            self.position.restore()
            yield
            self.position = GeneratorStates.current()
