"""The commands that show what there is: list, rules, explain."""

# ruff: noqa: PLC0415  (Note [imports of a command], in app.py)

from __future__ import annotations

import json
from typing import Annotated

import typer

from bridle.cli.app import Json, app
from bridle.recipe import PLACES
from bridle_audit.cli.command import list_rules
from bridle_audit.cli.console import show


@app.command("list")
def list_catalog(
    place: Annotated[str | None, typer.Argument(help=f"One of {', '.join(PLACES)}; left open: all of them.")] = None,
    as_json: Json = False,
) -> None:
    """List the regularizers by their place in the training step: what each does, and its knobs with their defaults."""
    from bridle.pages import catalog_of, listing, plain_data

    catalog = catalog_of(place)
    if as_json:
        typer.echo(json.dumps(plain_data(catalog), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        show(listing(catalog), whole=True)


@app.command("rules")
def list_all_rules(as_json: Json = False) -> None:
    """List the rules of the audit by severity: what each finds, and from which sides it looks."""
    list_rules("json" if as_json else "text")


@app.command()
def explain(
    names: Annotated[
        list[str],
        typer.Argument(help="Regularizers and rules, by the names that `bridle list` and `bridle rules` show."),
    ],
) -> None:
    """Show a regularizer's card, knobs and both implementations, or a rule's page; of several one after the other."""
    from bridle.pages import explained

    pages = [explained(name) for name in names]
    for number, page in enumerate(pages):
        show(*["\n"] * bool(number), page)
