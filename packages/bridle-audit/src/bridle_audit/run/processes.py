"""Files are checked by several processes: the same results, in the same order, sooner."""

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

MANY = 100  # files; fewer are read before other processes have started
LARGEST_PART = 50  # files
ROUNDS = 4  # a process gets its files in that many parts, so that none waits long for the others

# Note [how processes are started]
# As new ones ("spawn"), not as copies of this one: what calls an audit may have threads, and torch, whose locks a copy
# would inherit. Ctrl-C goes to every process of a terminal. It is blocked while workers start, who inherit that, so
# only this process hears it: it lets them end the few files that each has in hand and drops the rest.


def processes(jobs: int, files: int) -> int:
    """Returns how many processes read that many files: as many as asked for; for 0 one a core, if they are many."""
    return min(jobs or (cores() if files >= MANY else 1), max(files, 1))


def cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_in_processes(files: Sequence[Path], rules: Sequence[Rule], number: int) -> Iterator[CheckedFile]:
    """Check files in that many processes; the results come in the order of the files.

    Raises ``ChildProcessError`` where one of them dies.
    """
    size = max(1, min(LARGEST_PART, len(files) // (number * ROUNDS)))
    parts = [files[start : start + size] for start in range(0, len(files), size)]
    check = partial(check_part, names=[each.name for each in rules])
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(number, mp_context=spawn, initializer=settle) as pool:
        with interrupts_blocked():
            checked = pool.map(check, parts)
        try:
            for part in checked:
                yield from part
        except BrokenProcessPool as error:
            raise ChildProcessError(
                "a process that reads files has died, killed or out of memory; --jobs 1 reads them in this one"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def check_part(files: Sequence[Path], names: Sequence[str]) -> list[CheckedFile]:
    """Check some files in a worker."""
    rules = [RULES[each] for each in names]
    checked = [check_file(each, rules) for each in files]
    gc.collect()
    return checked


def settle() -> None:
    """Have a worker look for garbage only when it has checked a part; see ``check.collected_seldom``."""
    gc.disable()
    gc.freeze()


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Within, Ctrl-C waits; processes that are started within never hear it (where the system can do that)."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
