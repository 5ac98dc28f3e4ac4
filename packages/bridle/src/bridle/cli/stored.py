"""The commands that go on with a study from its folder, and repeat one: resume, rerun."""

# ruff: noqa: PLC0415  (Note [imports of a command], in app.py)

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bridle.cli.app import Json, app
from bridle.cli.printing import print_lines, progress_bar
from bridle.cli.studies import check_files, save_and_show
from bridle_audit.cli.console import output
from bridle_audit.cli.entry_point import STOPPED, named_path

Folder = Annotated[Path, typer.Argument(parser=named_path, metavar="STUDY", help="The folder of a study.")]
MovedData = Annotated[
    str | None, typer.Option("--data", metavar="PATH", help="Where the data are now, if they have moved.")
]


@app.command("resume")
def resume_study(study: Folder, data: MovedData = None, as_json: Json = False) -> None:
    """Go on with an interrupted comparison as it was asked, from what its folder says."""
    from bridle.comparison.asked import folder_of
    from bridle.comparison.rerun import resume

    folder = folder_of(study)
    check_files(folder)
    with progress_bar() as watch:
        found = resume(study, partial(watch, "training"), data=data)
    save_and_show(found, folder, as_json=as_json)


@app.command("rerun")
def rerun_study(
    study: Folder,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=named_path, metavar="PATH", help="A fresh folder for the repetition; left open: STUDY-rerun."
        ),
    ] = None,
    data: MovedData = None,
) -> None:
    """Repeat a study in a fresh folder; say which runs differ, by how much, and end with 1 if a verdict does."""
    from bridle.comparison.asked import folder_of
    from bridle.comparison.rerun import rerun
    from bridle.report import write_html

    first = folder_of(study)
    second = out or first.parent / f"{first.resolve().name}-rerun"
    check_files(second)
    with progress_bar() as watch:
        report = rerun(study, second, partial(watch, "training"), data=data)
    report.study.save(second / "study.json")
    write_html(report.study, second / "report.html")
    print_lines(output(), [*report.sentences(), f"report: {second / 'report.html'}"])
    raise typer.Exit(STOPPED if not report.study.finished else 1 if report.verdicts else 0)
