"""How many threads a stack runs on: all that torch may use, or one where that is faster.

For small arrays, and on a machine that has other work, threads wait for each other longer than they save: two threads
on two cores of which one is busy have been seen to take forty times as long as one. So it is tried, and tried again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

Result = TypeVar("Result")

TRIALS = 3  # timed steps with each number of threads
EPOCHS_BETWEEN_TRIALS = 8


class Threads:
    """Chooses between one thread and all; outside of :meth:`chosen` torch's own setting holds."""

    def __init__(self) -> None:
        self.most = torch.get_num_threads()
        self.best = self.most

    @contextmanager
    def chosen(self) -> Iterator[None]:
        """Within, torch uses the number of threads that was fastest so far."""
        torch.set_num_threads(self.best)
        try:
            yield
        finally:
            torch.set_num_threads(self.most)

    def due(self, epoch: int) -> bool:
        """Whether the first steps of this epoch (1, 2, ...) should try both."""
        return self.most > 1 and epoch % EPOCHS_BETWEEN_TRIALS == 1

    def steps(self, step: Callable[[], Result], count: int, *, trial: bool) -> Iterator[Result]:
        """``count`` steps; in a trial the first few alternate between the two, and the faster does the rest."""
        seconds: dict[int, list[float]] = {self.most: [], 1: []}
        tried = 2 * TRIALS if trial and count > 2 * TRIALS else 0
        for number in range(count):
            if number < tried:
                self.best = (self.most, 1)[number % 2]
            elif number == tried and tried:
                self.best = min(seconds, key=lambda threads: min(seconds[threads]))
            torch.set_num_threads(self.best)
            clock = time.perf_counter()
            yield step()
            seconds[self.best].append(time.perf_counter() - clock)
