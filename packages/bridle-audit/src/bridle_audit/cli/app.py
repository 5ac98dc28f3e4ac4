"""The program ``bridle-audit``: the one command."""

from __future__ import annotations

import typer

from bridle_audit.cli.command import audit
from bridle_audit.cli.entry_point import SpokenCommand, run

__all__ = ["app", "main"]

app = typer.Typer(pretty_exceptions_enable=False)
app.command("bridle-audit", cls=SpokenCommand)(audit)


def main() -> None:
    """The entry point."""
    run(app)
