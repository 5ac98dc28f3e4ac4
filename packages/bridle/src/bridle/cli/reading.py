"""The commands that say what finished studies mean: advise, rank."""

# ruff: noqa: PLC0415  (Note [imports of a command], in app.py)

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bridle.cli.app import Json, app
from bridle.cli.printing import print_lines
from bridle.results import Study, to_plain
from bridle_audit.cli.console import output, say
from bridle_audit.cli.entry_point import named_path

StudyFile = Annotated[Path, typer.Argument(parser=named_path, help="study.json, or the folder that holds it.")]


@app.command()
def advise(study: StudyFile, as_json: Json = False) -> None:
    """Say what to do next, in sentences that each rest on a number of the study."""
    from bridle.comparison.asked import folder_of, how_to_go_on
    from bridle.report import advice

    loaded = Study.load(study)
    found = advice(loaded)
    if as_json:
        typer.echo(json.dumps(to_plain(found), indent=1, ensure_ascii=False, allow_nan=False))
        return
    if not loaded.finished:
        rest = how_to_go_on(folder_of(study))
        say(f"note: this study is not finished, and what follows rests on a part of it: {rest}")
    print_lines(output(), (f"- {each.sentence}" for each in found))


@app.command()
def rank(
    studies: Annotated[
        list[Path],
        typer.Argument(parser=named_path, metavar="STUDY...", help="Studies of the same recipes, two or more."),
    ],
    metric: Annotated[
        str | None, typer.Option(help="By which metric; left open: the one that the studies chose by.")
    ] = None,
    split: Annotated[str, typer.Option(help="On which rows: test, valid or train.")] = "test",
    as_json: Json = False,
) -> None:
    """Rank the contenders over studies on several data sets: mean ranks, critical difference, win probabilities."""
    from bridle.comparison.across import rank_studies

    found = rank_studies([Study.load(each) for each in studies], metric=metric, split=split)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=1, ensure_ascii=False, allow_nan=False))
        return
    typer.echo(str(found))
