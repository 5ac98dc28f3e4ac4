"""The program that the commands belong to."""

# Note [imports of a command]
# torch takes more than a second to import and `bridle --help` must not wait for it. So each command imports what it
# works with, and these files import at their top only what is needed to show the help.

from __future__ import annotations

from typing import Annotated

import typer

from bridle import __version__
from bridle_audit.cli.entry_point import SpokenGroup, run

__all__ = ["Json", "app", "main"]

app = typer.Typer(cls=SpokenGroup, no_args_is_help=True, pretty_exceptions_enable=False)

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


def main() -> None:
    """The entry point."""
    run(app)
