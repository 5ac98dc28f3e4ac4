"""The command that shows what is made of data before anything is trained: describe."""

# ruff: noqa: PLC0415  (Note [imports of a command], in app.py)

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bridle.cli.app import Json, app
from bridle.cli.printing import note_lines, print_lines
from bridle_audit.cli.console import output, show
from bridle_audit.cli.entry_point import named_path

__all__ = ["Categorical", "DataDir", "Target", "Task"]

Target = Annotated[str | None, typer.Option(help="The column to predict, for a table.")]
Task = Annotated[str | None, typer.Option(help="classification or regression, where the target leaves it open.")]
Categorical = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMNS",
        help="Columns of numbers that are categories, as codes are; with commas, or repeat for more.",
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(parser=named_path, metavar="PATH", help="Folder with data files; also the variable BRIDLE_DATA."),
]


@app.command("describe")
def describe_data(  # noqa: PLR0917  (Typer calls it by name; each is an option)
    data: Annotated[str, typer.Argument(help="A CSV or Parquet file, or whatever else `bridle compare` takes.")],
    target: Target = None,
    categorical: Categorical = None,
    data_dir: DataDir = None,
    task: Task = None,
    as_json: Json = False,
) -> None:
    """Show how data are read, without training: each column as number, category, date or dropped, and why."""
    from bridle.data import load
    from bridle.report import columns_table, data_lines

    loaded = load(data, target, data_dir, task, categorical or ())
    described = loaded.describe() | {"notes": list(loaded.notes)}
    if as_json:
        typer.echo(json.dumps(described, indent=1, ensure_ascii=False, allow_nan=False))
        return
    console = output()
    print_lines(console, data_lines(described))
    if loaded.columns:
        show(columns_table(described))
    print_lines(console, note_lines(loaded.notes))
