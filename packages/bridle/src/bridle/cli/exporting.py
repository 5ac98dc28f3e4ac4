"""The commands that write a study for other tools: export tensorboard, export mlflow."""

# ruff: noqa: PLC0415  (Note [imports of a command], in app.py)

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bridle.cli.app import app
from bridle.results import Study
from bridle_audit.cli.console import say
from bridle_audit.cli.entry_point import named_path

exports = typer.Typer(no_args_is_help=True, help="Write a study for TensorBoard or MLflow.")
app.add_typer(exports, name="export")

StudyPath = Annotated[Path, typer.Argument(parser=named_path, help="study.json, or the folder that holds it.")]


@exports.command("tensorboard")
def export_tensorboard(
    study: StudyPath,
    folder: Annotated[Path, typer.Argument(parser=named_path, help="A new folder, for `tensorboard --logdir`.")],
) -> None:
    """Write every run with its curves, scores and hyper-parameters for TensorBoard."""
    from bridle.tracking.tensorboard import to_tensorboard

    to_tensorboard(Study.load(study), folder)
    say(f"Written. To look at it: tensorboard --logdir {folder}")


@exports.command("mlflow")
def export_mlflow(
    study: StudyPath,
    tracking_uri: Annotated[
        str | None, typer.Option(help="sqlite:///mlflow.db, or a server; left open: MLflow's own choice.")
    ] = None,
    experiment: Annotated[str, typer.Option(help="The experiment that the runs are added to.")] = "bridle",
) -> None:
    """Write every run with its curves, scores and hyper-parameters, the report and study.json to MLflow."""
    from bridle.tracking.mlflow import to_mlflow

    typer.echo(to_mlflow(Study.load(study), tracking_uri, experiment))
    say(f"Written to the experiment {experiment!r}; the line above is the id of the study's run.")
