"""Checking of files by several processes, with the results in the order of the files."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bridle_audit.rule import Rule
from bridle_audit.rules import RULES
from bridle_audit.run.check import CheckedFile, check_file

__all__ = ["check_in_processes", "process_count"]

MANY_FILES = 100  # files; fewer are read before other processes have started
LARGEST_CHUNK = 50  # files
CHUNKS_PER_PROCESS = 4  # a process gets its files in that many parts, so that none waits long for the others

# Note [how processes are started]
# As new ones ("spawn"), not as copies of this one: what calls an audit may have threads, and torch, whose locks a copy
# would inherit. Ctrl-C goes to every process of a terminal. It is blocked while workers start, who inherit that, so
# only this process hears it: it lets them end the few files that each has in hand and drops the rest.


def process_count(jobs: int, files: int) -> int:
    """Return the number of processes for some files: ``jobs``, or, if that is 0 and files are many, the cores."""
    return min(jobs or (available_cores() if files >= MANY_FILES else 1), max(files, 1))


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_in_processes(files: Sequence[Path], rules: Sequence[Rule], number: int) -> Iterator[CheckedFile]:
    """Check files in that many processes; the results come in the order of the files.

    Raises ``ChildProcessError`` where one of them dies.
    """
    size = max(1, min(LARGEST_CHUNK, len(files) // (number * CHUNKS_PER_PROCESS)))
    chunks = [files[start : start + size] for start in range(0, len(files), size)]
    check = partial(check_chunk, names=[each.name for each in rules])
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(number, mp_context=spawn, initializer=disable_gc) as pool:
        with interrupts_blocked():
            checked = pool.map(check, chunks)
        try:
            for chunk in checked:
                yield from chunk
        except BrokenProcessPool as error:
            raise ChildProcessError(
                "a process that reads files has died, killed or out of memory; --jobs 1 reads them in this one"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def check_chunk(files: Sequence[Path], names: Sequence[str]) -> list[CheckedFile]:
    """Check a chunk of files in a worker."""
    rules = [RULES[each] for each in names]
    checked = [check_file(each, rules) for each in files]
    gc.collect()
    return checked


def disable_gc() -> None:
    """Turn off garbage collection in a worker, which collects after each chunk; see ``check.infrequent_gc``."""
    gc.disable()
    gc.freeze()


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C for the block, and for good in processes started within it, where the system can do that."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
