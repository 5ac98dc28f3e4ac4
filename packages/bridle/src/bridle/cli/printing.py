"""The output of commands that train, beside their results: notes, sentences, progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from bridle_audit.cli.console import PlainConsole, say

__all__ = ["note_lines", "print_lines", "print_notes", "progress_bar"]

# Called with a description, the number of steps done and their total.
ProgressCallback = Callable[[str, int, int], None]
EVERY = 10.0  # seconds from one line of progress to the next


def note_lines(notes: Iterable[str]) -> list[str]:
    """Format the notes on data or a study, one a line."""
    return [f"note: {note}" for note in notes]


def print_notes(notes: Iterable[str]) -> None:
    """Print the notes to stderr."""
    for line in note_lines(notes):
        say(line)


def print_lines(console: Console, lines: Iterable[str]) -> None:
    """Sentences as they are: no markup, no colours of their own."""
    for line in lines:
        console.print(Text(line), soft_wrap=not console.is_terminal)


class ProgressLines:
    """Progress where no bar can be drawn: a line now and then, with the time left."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.clock, self.what = clock, ""
        self.started, self.done_before, self.last_line = clock(), 0, clock()

    def watch(self, what: str, done: int, total: int) -> None:
        """Say how far it is, if the last line is old enough."""
        now = self.clock()
        if what != self.what:  # what was done before, in an earlier session, says nothing of the pace
            self.what, self.started, self.done_before = what, now, done
        if now - self.last_line >= EVERY and total:
            self.last_line = now
            say(f"{what}: {100 * done // total} % ({done:,} of {total:,} steps){self.remaining(now, done, total)}")

    def remaining(self, now: float, done: int, total: int) -> str:
        """The time that the rest takes at this pace, in words; nothing where there is no pace yet."""
        if done <= self.done_before or now <= self.started:
            return ""
        return f", about {duration((now - self.started) * (total - done) / (done - self.done_before))} left"


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them.

    >>> duration(0.4), duration(40), duration(130), duration(8000)
    ('1 s', '40 s', '2 min', '2.2 h')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextmanager
def progress_bar() -> Iterator[ProgressCallback]:
    """A bar with the time left, on stderr; where that is no terminal, a line now and then."""
    messages = PlainConsole(stderr=True)
    if not messages.is_terminal:
        yield ProgressLines().watch
        return
    parts = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*parts, console=messages, transient=True) as bar:
        task = bar.add_task("", total=None)

        def watch(what: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=what)

        yield watch
