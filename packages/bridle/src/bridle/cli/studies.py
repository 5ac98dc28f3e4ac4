"""The commands that train, and those that show what was trained: compare, code, inspect, reproduce."""

# ruff: noqa: PLC0415  (Note [imports of a command], in app.py)

from __future__ import annotations

import errno
import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from os.path import isdir
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bridle.cli.app import Json, app
from bridle.cli.describing import (
    Categorical,
    DataDir,
    Folds,
    Groups,
    Split,
    SplitColumn,
    SplitSeed,
    Target,
    Task,
    Time,
    Weights,
    make_splits,
)
from bridle.cli.printing import note_lines, print_lines, print_notes, progress_bar
from bridle.errors import InputError
from bridle.protocol import LEARNING_RATES, PRECISIONS, SCHEDULES, Protocol
from bridle.results import Study
from bridle_audit.cli.console import PlainConsole, output, say, show
from bridle_audit.cli.entry_point import STOPPED, named_path

__all__ = ["check_files", "save_and_show"]

READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
reproductions = typer.Typer(no_args_is_help=True, help="Run published comparisons again, and then done right.")
app.add_typer(reproductions, name="reproduce")


@app.command("compare")
def compare_recipes(  # noqa: PLR0917  (Typer calls it by name; each is an option)
    data: Annotated[
        str, typer.Argument(help="digits, mnist, a CSV or Parquet file, or a folder of idx files.")
    ] = "digits",
    target: Target = None,
    categorical: Categorical = None,
    recipe: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RECIPE",
            help='"none" or "Dropout(rate=0.2) + WeightDecay(strength=0.1)"; repeat for more; "none" is always there.',
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds every recipe is trained under.")] = 5,
    metric: Annotated[
        str | None,
        typer.Option(
            help="What decides: log_loss (the default for classes), accuracy, balanced_accuracy, auroc, brier or ece; "
            "r2 (the default for numbers), rmse or mae."
        ),
    ] = None,
    tune: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Give every contender N trials of its strengths and learning rate first, within the training rows.",
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(help="A difference of the metric that is of no consequence; left open: a small one; 0: none."),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Passes over the training rows; left open: as many as validation rows say are worth it."),
    ] = None,
    network: Annotated[
        str,
        typer.Option(
            help='"mlp(128, 64)", "mlp(64, activation=\'tanh\')", "residual_mlp(64, 3)", "linear()" or, for images, '
            '"convnet(16, 32)".'
        ),
    ] = "mlp(128, 64)",
    optimizer: Annotated[str, typer.Option(help=f"One of {', '.join(LEARNING_RATES)}.")] = Protocol.optimizer,
    lr: Annotated[
        float | None, typer.Option(help="Learning rate; left open: the best of three for the baseline.")
    ] = None,
    schedule: Annotated[str, typer.Option(help=f"One of {', '.join(SCHEDULES)}.")] = Protocol.schedule,
    batch_size: Annotated[int, typer.Option(help="Rows in a batch.")] = Protocol.batch_size,
    class_weight: Annotated[
        str | None, typer.Option(help='"balanced" gives every class the same weight in the training loss.')
    ] = None,
    precision: Annotated[str, typer.Option(help=f"One of {', '.join(PRECISIONS)}.")] = Protocol.precision,
    engine: Annotated[str, typer.Option(help="torch, which is fast, or vanilla, which is NumPy by hand.")] = "torch",
    data_dir: DataDir = None,
    task: Task = None,
    split: Split = "holdout",
    split_seed: SplitSeed = 0,
    folds: Folds = 5,
    groups: Groups = None,
    time: Time = None,
    split_column: SplitColumn = None,
    weights: Weights = None,
    references: Annotated[
        bool, typer.Option(help="Fit a constant answer, a linear model and gradient boosting for comparison.")
    ] = True,
    keep_models: Annotated[
        str, typer.Option(help="Whose weights are kept: those of each recipe's best run, all, or none.")
    ] = "best",
    out: Annotated[
        Path,
        typer.Option(
            parser=named_path,
            metavar="PATH",
            help="Folder for results; what is trained in it already is not trained again.",
        ),
    ] = Path("bridle-study"),
    as_json: Json = False,
) -> None:
    """Train every recipe under the same seeds; show which helps, by how much, and whether that is noise."""
    from bridle.comparison import compare, resolve_contenders
    from bridle.data import load
    from bridle.networks import parse

    check_files(out)
    trained = parse(network)
    settings = Protocol(optimizer, lr, schedule, batch_size, epochs, precision, class_weight=class_weight)
    recipes, chosen = resolve_contenders(recipe or None, seeds, engine)
    splits = make_splits(split, split_seed, folds, groups, time, split_column)
    loaded = load(data, target, data_dir, task, categorical or (), splits=splits, weights=weights)
    print_notes(loaded.notes)
    with progress_bar() as watch:
        study = compare(
            loaded,
            recipes,
            chosen,
            trained,
            settings,
            engine,
            metric=metric,
            tuned=tune,
            margin=margin,
            references=references,
            keep_models=keep_models,
            out=out,
            progress=partial(watch, "training"),
        )
    save_and_show(study, out, as_json=as_json, printed=loaded.notes)


def save_and_show(study: Study, out: Path, *, as_json: bool, printed: Sequence[str] = ()) -> None:
    """Write a study and its report into a folder, print it, and end: with exit code 0, or that of an interrupt."""
    from bridle.comparison.asked import how_to_go_on

    try:
        save(study, out)
    except KeyboardInterrupt as interrupt:
        message = f"Stopped. What is trained is kept in {out}: {how_to_go_on(out)}."
        raise KeyboardInterrupt(message) from interrupt
    if as_json:
        typer.echo((out / "study.json").read_bytes(), nl=False)
    show_study(study, out, PlainConsole(stderr=True) if as_json else output(), printed=printed)
    raise typer.Exit(0 if study.finished else STOPPED)


def save(study: Study, out: Path) -> None:
    """Write a study and its report into a folder; where nothing can be written, and all was read, both stay."""
    from bridle.report import write_html

    try:
        study.save(out / "study.json")
        write_html(study, out / "report.html")
    except OSError as error:
        if error.errno not in READ_ONLY or not (out / "study.json").exists():
            raise
        say(f"nothing can be written into {out} ({error.strerror}): study.json and report.html stay as they are")


@app.command("code")
def print_code(  # noqa: PLR0917  (Typer calls it by name; each is an option)
    recipe: Annotated[str, typer.Argument(help='Such as "Dropout(rate=0.2) + WeightDecay(strength=0.01)".')],
    network: Annotated[str, typer.Option(help='"mlp(128, 64)", "residual_mlp(64, 3)" ...')] = "mlp(128, 64)",
    task: Annotated[str, typer.Option(help="classification or regression.")] = "classification",
    optimizer: Annotated[str, typer.Option(help=f"One of {', '.join(LEARNING_RATES)}.")] = Protocol.optimizer,
    lr: Annotated[float | None, typer.Option(help="Learning rate; each optimizer has its own default.")] = None,
    schedule: Annotated[str, typer.Option(help=f"One of {', '.join(SCHEDULES)}.")] = Protocol.schedule,
    batch_size: Annotated[int, typer.Option(help="Rows in a batch.")] = Protocol.batch_size,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training rows; left open: found.")] = None,
    restore_best: Annotated[
        bool,
        typer.Option("--restore-best", help="Keep the weights of the best epoch; where it is open that is so anyway."),
    ] = False,
    metric: Annotated[str | None, typer.Option(help="What says which epoch is the best.")] = None,
    class_weight: Annotated[str | None, typer.Option(help='"balanced" weighs all classes alike.')] = None,
) -> None:
    """Print a recipe as a script of plain PyTorch, without bridle, that trains the same."""
    from bridle.exporting import to_code

    best = restore_best or None
    protocol = Protocol(optimizer, lr, schedule, batch_size, epochs, restore_best=best, metric=metric)
    script = to_code(recipe, network, replace(protocol, class_weight=class_weight), task=task)
    typer.echo(script, nl=False)


@app.command()
def inspect(
    study: Annotated[Path, typer.Argument(parser=named_path, help="study.json, or the folder that holds it.")],
) -> None:
    """Show what became of each layer: weight norms, batch-norm gammas, dead units."""
    from bridle.report import inspection

    show(inspection(Study.load(study)))


@reproductions.command("notebook")
def reproduce_notebook(
    data_dir: DataDir = None,
    seeds: Annotated[int, typer.Option(help="How many times the notebook is run.")] = 1,
    epochs: Annotated[int, typer.Option(help="The notebook's are 500; fewer are for a try.")] = 500,
    as_json: Json = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the results as a page of Markdown.")] = False,
) -> None:
    """Run the notebook's four networks as they stand, then the same comparison done right."""
    from bridle.data import load
    from bridle.reproduce import check_counts, markdown, notebook, paragraphs, table

    check_counts(seeds=seeds, epochs=epochs)
    data = load("mnist", data_dir=data_dir)
    print_notes(data.notes)
    with progress_bar() as watch:
        found = notebook(data, seeds=seeds, epochs=epochs, progress=watch)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=1, ensure_ascii=False, allow_nan=False))
    elif as_markdown:
        typer.echo(markdown(found, command=f"bridle reproduce notebook --seeds {seeds} --epochs {epochs} --markdown"))
    else:
        show(table(found))
        print_lines(output(), (f"\n{title}. {text}" for title, text in paragraphs(found)))
    raise typer.Exit(0 if found.finished else STOPPED)


def check_files(folder: Path) -> None:
    """``ValueError`` where the results could not be written in the end, before anything is trained."""
    for name in ("study.json", "report.html"):
        if isdir(folder / name):  # noqa: PTH112  (Path's raises where a name is too long, which is told later)
            raise InputError(f"{folder / name} is a folder, and a file goes there; give --out another folder")


def show_study(study: Study, folder: Path, console: Console, printed: Sequence[str]) -> None:
    """Print the table, what comes before the verdicts, these, notices not ``printed`` yet, and where the files are."""
    from bridle.comparison.asked import how_to_go_on
    from bridle.report import comparison_table, reservations, verdicts

    console.print(comparison_table(study))
    notices = note_lines(notice for notice in study.notices if notice not in printed)
    print_lines(console, ["", *reservations(study), *verdicts(study), *notices, ""])
    print_lines(console, [f"report: {folder / 'report.html'}", f"data:   {folder / 'study.json'}"])
    if study.finished:
        print_lines(console, [f"next:   bridle advise {shlex.quote(str(folder))}"])
    else:
        say(f"Stopped. What is trained is kept in {folder}: {how_to_go_on(folder)}.")
