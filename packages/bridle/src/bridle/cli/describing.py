"""The command that shows what is made of data before anything is trained: describe."""

# ruff: noqa: PLC0415  (Note [imports of a command], in app.py)

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridle.cli.app import Json, app
from bridle.cli.printing import note_lines, print_lines
from bridle_audit.cli.console import output, show
from bridle_audit.cli.entry_point import named_path

if TYPE_CHECKING:
    from bridle.data import Splits

__all__ = [
    "Categorical",
    "DataDir",
    "Folds",
    "Groups",
    "Split",
    "SplitColumn",
    "SplitSeed",
    "Target",
    "Task",
    "Time",
    "Weights",
    "make_splits",
]

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

Split = Annotated[
    str,
    typer.Option(
        "--split",
        help="How rows are split: holdout (once), or anew for each seed: repeated, or kfold, which tests all.",
    ),
]
SplitSeed = Annotated[int, typer.Option("--split-seed", help="Seed of the split, apart from those of the training.")]
Folds = Annotated[int, typer.Option("--folds", help="Folds of kfold, or windows in the order of --time.")]
Groups = Annotated[
    str | None, typer.Option("--groups", metavar="COLUMN", help="Rows of one value here are never on two sides.")
]
Time = Annotated[
    str | None, typer.Option("--time", metavar="COLUMN", help="Train is before valid, and valid before test, by this.")
]
SplitColumn = Annotated[
    str | None, typer.Option("--split-column", metavar="COLUMN", help="It says train, valid or test of every row.")
]
Weights = Annotated[
    str | None, typer.Option("--weights", metavar="COLUMN", help="Weights of the training rows in the loss.")
]


def make_splits(  # noqa: PLR0917  (in the order of the options)
    split: str, split_seed: int, folds: int, groups: str | None, time: str | None, split_column: str | None
) -> Splits:
    """How rows are split by the options; ``ValueError`` where they do not go together."""
    from bridle.data import Splits

    return Splits(split, split_seed, folds, groups, time, split_column)


@app.command("describe")
def describe_data(  # noqa: PLR0917  (Typer calls it by name; each is an option)
    data: Annotated[str, typer.Argument(help="A CSV or Parquet file, or whatever else `bridle compare` takes.")],
    target: Target = None,
    categorical: Categorical = None,
    data_dir: DataDir = None,
    task: Task = None,
    split: Split = "holdout",
    split_seed: SplitSeed = 0,
    folds: Folds = 5,
    groups: Groups = None,
    time: Time = None,
    split_column: SplitColumn = None,
    weights: Weights = None,
    as_json: Json = False,
) -> None:
    """Show how data are read, without training: each column as number, category, date or dropped, and why."""
    from bridle.data import load
    from bridle.report import columns_table, data_lines

    splits = make_splits(split, split_seed, folds, groups, time, split_column)
    loaded = load(data, target, data_dir, task, categorical or (), splits=splits, weights=weights)
    described = loaded.describe() | {"notes": list(loaded.notes), "splits": loaded.split_info}
    if as_json:
        typer.echo(json.dumps(described, indent=1, ensure_ascii=False, allow_nan=False))
        return
    console = output()
    print_lines(console, data_lines(described))
    if loaded.columns:
        show(columns_table(described))
    print_lines(console, note_lines(loaded.notes))
