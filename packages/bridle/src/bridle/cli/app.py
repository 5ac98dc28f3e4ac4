"""The program that the commands belong to, and how it says that something cannot be done."""

# Note [imports of a command]
# torch takes more than a second to import and `bridle --help` must not wait for it. So each command imports what it
# works with, and these files import at their top only what is needed to show the help.

from __future__ import annotations

import io
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bridle import __version__
from bridle.cli.printing import say

LONGEST = 3000  # characters of a message
STOPPED = 130  # what shells report after Ctrl-C


class Edge(TyperGroup):
    """Says an error of the edge, where data and settings come in, as one sentence; others keep their traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            with spoken_warnings():
                return super().invoke(ctx)
        except BrokenPipeError:  # the reader has gone; Typer ends the program quietly
            raise
        except (ValueError, OSError) as error:
            if not is_sentence(error):
                raise
            say(cut(str(error)), style="red")
            raise typer.Exit(2) from error
        except KeyboardInterrupt as error:
            say(str(error) or "Stopped.")
            raise typer.Exit(STOPPED) from error


def cut(message: str) -> str:
    """A message that fits on a screen, however long the name in it."""
    return message if len(message) <= LONGEST else f"{message[:LONGEST]}... ({len(message)} characters)"


app = typer.Typer(cls=Edge, no_args_is_help=True, pretty_exceptions_enable=False)


def named_path(given: str | Path) -> Path:
    """The path that was given; an empty one, which Python takes for the current folder, is none."""
    if not str(given):
        raise typer.BadParameter("it is empty; name a file or a folder (the current one is called .)")
    return Path(given)


Json = Annotated[bool, typer.Option("--json", help="Print the results as JSON, and nothing else, on stdout.")]


def show_version(asked: bool) -> None:
    """Print the version and end, if asked for."""
    if asked:
        typer.echo(f"bridle {__version__}")
        raise typer.Exit


@app.callback()
def start(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find, apply and explain the regularization a neural network needs."""
    del version  # its callback has done it


@contextmanager
def spoken_warnings() -> Iterator[None]:
    """Within, what bridle warns of is a line on stderr, without the place in the code that a program wants to see."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def spoken(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if category is UserWarning:
                say(str(message), style="yellow")
            else:
                show(message, category, *place, **more)

        warnings.showwarning = spoken
        warnings.simplefilter("always", UserWarning)
        yield


def is_sentence(error: Exception) -> bool:
    """Whether an error is written for the user: what the system says of a file, or what our own code refuses.

    A ValueError from the inside of a library is a fault of ours, which needs its traceback.
    """
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return isinstance(error, OSError) or frame.f_globals["__name__"].startswith(("bridle.", "bridle_audit."))


def main() -> None:
    """The entry point."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a letter that its encoding lacks is written as \\xNN
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except KeyboardInterrupt:  # before there was a command to interrupt
        say("Stopped.")
        raise SystemExit(STOPPED) from None
