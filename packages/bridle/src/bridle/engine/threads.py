"""The number of threads of a stack: one where its steps are small, all that torch may use where they are large.

For small arrays threads wait for each other longer than they save: two on two cores of which one is busy have been seen
to take forty times as long as one. Which is faster is not tried out, since some sums come out with other last digits on
another number of threads: what is computed must not depend on what else the machine is doing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["limited_threads", "threads_for"]

LARGE = 100_000_000  # products of two numbers in a forward pass of all variants: some ten milliseconds for one thread


def threads_for(multiply_adds: int) -> int:
    """Return the number of threads for so many products in a forward pass."""
    return torch.get_num_threads() if multiply_adds >= LARGE else 1


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Let torch use so many threads for a while; then its own setting holds again."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
