"""Where the commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import monotonic

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.text import Text

from bridle_audit.wording import printable

Watch = Callable[[str, int, int], None]  # told what is being done, how much of it is done, and how much there is
PIPE_WIDTH = 140  # columns where the output is no terminal, unless the variable COLUMNS says how many there are
LEAST_WIDTH = 20
EVERY = 10.0  # seconds from one line of progress to the next


class PlainConsole(Console):
    """A console that obeys no control character of what is printed, wherever it comes from, but shows it: ``\\x1b``.

    The name of a column could otherwise move the cursor, or rename the window.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of what is printed; those by which rich itself moves the cursor stay."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)


def columns() -> int | None:
    """What the variable COLUMNS says, if it says a width."""
    said = os.environ.get("COLUMNS", "")
    return max(int(said), LEAST_WIDTH) if said.isascii() and said.isdecimal() and int(said) > 0 else None


def output() -> Console:
    """Where results are printed: as wide as the terminal, or as COLUMNS says; else wide enough for source code."""
    return PlainConsole(width=columns() or (None if sys.stdout.isatty() else PIPE_WIDTH))


def show(*parts: RenderableType, whole: bool = False) -> None:
    """Print results one below the other; in a pipe without the spaces that fill a line.

    Code is never broken. Nor are ``whole`` lines, for ``grep`` and the like, unless COLUMNS asks for narrow ones.
    """
    console = output()
    unlimited = whole and not console.is_terminal and console.width >= PIPE_WIDTH
    with console.capture() as captured:
        console.print(*parts, soft_wrap=unlimited, crop=False)
    lines = captured.get().split("\n")
    text = "\n".join(lines if console.is_terminal else map(str.rstrip, lines))
    typer.echo(text, nl=False, color=console.is_terminal)


def say(message: str, style: str = "") -> None:
    """One line on stderr, however long."""
    PlainConsole(stderr=True).print(Text(message, style=style), soft_wrap=True)


def note_lines(notes: Iterable[str]) -> list[str]:
    """What one should know of data or of a study, as lines."""
    return [f"note: {note}" for note in notes]


def say_notes(notes: Iterable[str]) -> None:
    """The same as messages."""
    for line in note_lines(notes):
        say(line)


def print_lines(console: Console, lines: Iterable[str]) -> None:
    """Sentences as they are: no markup, no colours of their own."""
    for line in lines:
        console.print(Text(line), soft_wrap=not console.is_terminal)


class Lines:
    """Progress where no bar can be drawn: a line now and then, with the time left."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.clock, self.what = clock, ""
        self.began, self.done_before, self.said = clock(), 0, clock()

    def watch(self, what: str, done: int, total: int) -> None:
        """Say how far it is, if the last line is old enough."""
        now = self.clock()
        if what != self.what:  # what was done before, in an earlier session, says nothing of the pace
            self.what, self.began, self.done_before = what, now, done
        if now - self.said >= EVERY and total:
            self.said = now
            say(f"{what}: {100 * done // total} % ({done:,} of {total:,} steps){self.left(now, done, total)}")

    def left(self, now: float, done: int, total: int) -> str:
        """The time that the rest takes at this pace, in words; nothing where there is no pace yet."""
        if done <= self.done_before or now <= self.began:
            return ""
        return f", about {duration((now - self.began) * (total - done) / (done - self.done_before))} left"


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them.

    >>> duration(0.4), duration(40), duration(130), duration(8000)
    ('1 s', '40 s', '2 min', '2.2 h')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextmanager
def progress_bar() -> Iterator[Watch]:
    """A bar with the time left, on stderr; where that is no terminal, a line now and then."""
    messages = PlainConsole(stderr=True)
    if not messages.is_terminal:
        yield Lines().watch
        return
    parts = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*parts, console=messages, transient=True) as bar:
        task = bar.add_task("", total=None)

        def watch(what: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=what)

        yield watch
