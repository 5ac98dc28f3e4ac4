"""Where the commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

Watch = Callable[[str, int, int], None]  # told what is being done, how much of it is done, and how much there is
PIPE_WIDTH = 140  # columns where the output is no terminal


def output() -> Console:
    """Where results are printed; wide enough for source code where it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)


def say(message: str, style: str = "") -> None:
    """One line on stderr, however long."""
    Console(stderr=True).print(Text(message, style=style), soft_wrap=True)


def print_lines(console: Console, lines: Iterable[str]) -> None:
    """Sentences as they are: no markup, no colours of their own."""
    for line in lines:
        console.print(Text(line), soft_wrap=not console.is_terminal)


@contextmanager
def progress_bar() -> Iterator[Watch]:
    """A bar with the time left, on stderr; silent where that is no terminal."""
    messages = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def watch(what: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=what)

        yield watch
