"""The commands that look for mistakes: audit, convert."""

# ruff: noqa: PLC0415  (Note [imports of a command], in app.py)

from __future__ import annotations

from typing import Annotated, Any

import typer

from bridle.cli.app import app
from bridle_audit.cli.command import audit
from bridle_audit.cli.console import say

app.command("audit")(audit)


@app.command("convert")
def convert(  # noqa: PLR0917  (Typer calls it by name; each is an option)
    value: Annotated[float, typer.Argument(help="The number as it stands in the code.")],
    source: Annotated[str, typer.Option("--from", metavar="UNIT", help="Whose number it is: keras.L2, torch.Adam ...")],
    target: Annotated[
        str | None, typer.Option("--to", metavar="UNIT", help="Whose it is to be; left open: a table of all units.")
    ] = None,
    lr: Annotated[float | None, typer.Option(help="The learning rate; 0.001 in the table.")] = None,
    peak_lr: Annotated[float | None, typer.Option(help="The highest of the schedule; --lr unless given.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows in a batch; 128 in the table.")] = None,
    samples: Annotated[int | None, typer.Option(help="Rows of the training data; 60000 in the table.")] = None,
    momentum: Annotated[float | None, typer.Option(help="Of SGD, between coupled and decoupled units; else 0.")] = None,
) -> None:
    """Convert a strength between the weight decays and penalties of libraries, or show it in all of their units."""
    from bridle_audit import conversions, convert_strength, exactness

    known = {"lr": lr, "peak_lr": peak_lr, "batch_size": batch_size, "samples": samples, "momentum": momentum}
    given: dict[str, Any] = {name: number for name, number in known.items() if number is not None}
    if target is None:
        typer.echo(conversions(value, source=source, **given))
    else:
        typer.echo(f"{convert_strength(value, source=source, target=target, **given):.12g}")
        say(exactness(source, target))
