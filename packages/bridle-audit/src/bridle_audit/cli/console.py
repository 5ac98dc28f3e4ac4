"""The consoles of the commands: results on stdout, everything else on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from bridle_audit.wording import printable

__all__ = ["PlainConsole", "output", "say", "show"]

PIPE_WIDTH = 140  # columns where the output is no terminal, unless the variable COLUMNS says how many there are
LEAST_WIDTH = 20


class PlainConsole(Console):
    """A console that obeys no control character of what is printed, wherever it comes from, but shows it: ``\\x1b``.

    The name of a column could otherwise move the cursor, or rename the window.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of what is printed; those by which rich itself moves the cursor stay."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)


def columns() -> int | None:
    """Returns the width that the variable COLUMNS says, if it says one."""
    said = os.environ.get("COLUMNS", "")
    return max(int(said), LEAST_WIDTH) if said.isascii() and said.isdecimal() and int(said) > 0 else None


def output() -> Console:
    """Returns the console of results: as wide as the terminal, or as COLUMNS says; else wide enough for source code."""
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
