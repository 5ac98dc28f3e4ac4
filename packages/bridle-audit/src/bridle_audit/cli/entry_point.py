"""A program on the command line, ours or bridle's: how it is started, and how it says that something cannot be done."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from bridle_audit.cli.console import say
from bridle_audit.errors import BridleError

__all__ = ["STOPPED", "SpokenCommand", "SpokenGroup", "named_path", "run"]

LONGEST = 3000  # characters of a message
STOPPED = 130  # what shells report after Ctrl-C
FAULT = "This is a fault of the program, not of what you gave it. Please report it to its authors, with what follows."


@contextmanager
def spoken() -> Iterator[None]:
    """Within, an error that the user can mend is one sentence; others keep their traceback."""
    try:
        with spoken_warnings():
            yield
    except BrokenPipeError:  # the reader has gone; Typer ends the program quietly
        raise
    except (BridleError, OSError) as error:  # an OSError is what the system says of a file
        say(cut(in_words(error)), style="red")
        raise typer.Exit(2) from error
    except KeyboardInterrupt as error:
        say(str(error) or "Stopped.")
        raise typer.Exit(STOPPED) from error


class SpokenGroup(TyperGroup):
    """Commands whose errors are sentences."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with spoken():
            return super().invoke(ctx)


class SpokenCommand(TyperCommand):
    """A command whose errors are sentences."""

    def invoke(self, ctx: Any) -> Any:
        """Run it."""
        with spoken():
            return super().invoke(ctx)


def in_words(error: Exception) -> str:
    """What an error says; of one of the system's, which names no remedy, which file it is and what can be done.

    >>> in_words(NotADirectoryError(20, "Not a directory", "notes.txt/x"))
    'notes.txt/x cannot be used (Not a directory); give another file or folder, or mend what is in the way'
    """
    if not isinstance(error, OSError) or error.strerror is None or error.filename is None:
        return str(error)
    problem = f"{error.filename} cannot be used ({error.strerror})"
    return f"{problem}; give another file or folder, or mend what is in the way"


def cut(message: str) -> str:
    """A message that fits on a screen, however long the name in it."""
    return message if len(message) <= LONGEST else f"{message[:LONGEST]}... ({len(message)} characters)"


def named_path(given: str | Path) -> Path:
    """The path that was given; an empty one, which Python takes for the current folder, is none."""
    if not str(given):
        raise typer.BadParameter("it is empty; name a file or a folder (the current one is called .)")
    return Path(given)


@contextmanager
def spoken_warnings() -> Iterator[None]:
    """Within, what bridle warns of is a line on stderr, without the place in the code that a program wants to see."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def line(message: Warning | str, category: type[Warning], *location: Any, **more: Any) -> None:
            if category is UserWarning:
                say(str(message), style="yellow")
            else:
                show(message, category, *location, **more)

        warnings.showwarning = line
        warnings.simplefilter("always", UserWarning)
        yield


def run(app: Callable[[], Any]) -> None:
    """Run a program until it ends: what the entry point does."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a letter that its encoding lacks is written as \\xNN
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except KeyboardInterrupt:  # before there was a command to interrupt
        say("Stopped.")
        raise SystemExit(STOPPED) from None
    except Exception:
        say(FAULT, style="red")
        raise
