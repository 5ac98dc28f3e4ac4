"""A stop-watch for what a stack and its blocks do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["timed"]


class Timed(Protocol):
    """A piece of work that counts the seconds that it takes."""

    seconds: float


@contextmanager
def timed(work: Timed) -> Iterator[None]:
    """Add the seconds that pass within to those of the work."""
    clock = time.perf_counter()
    yield
    work.seconds += time.perf_counter() - clock
