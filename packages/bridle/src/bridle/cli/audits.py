"""The commands that look for mistakes: audit, convert."""

# ruff: noqa: PLC0415  (Note [imports of a command], in app.py)

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bridle.cli.app import app, named_path
from bridle.cli.printing import say, show
from bridle_audit.files import write_whole
from bridle_audit.findings import SEVERITIES, FileAudit

NEVER = "never"
FOUND = 1  # the exit code


@app.command("audit")
def audit_all(
    targets: Annotated[
        list[str],
        typer.Argument(metavar="PATH|MODULE:FACTORY", help="Scripts, notebooks, folders; functions that make a model."),
    ],
    form: Annotated[str, typer.Option("--format", help="text, json, sarif or github.")] = "text",
    allow: Annotated[
        list[str] | None, typer.Option(metavar="RULE", help="A rule that may be broken; repeat for more.")
    ] = None,
    fail_on: Annotated[
        str, typer.Option(help=f"Exit with 1 from this severity on: {', '.join(SEVERITIES)}; or {NEVER}.")
    ] = "warning",
    out: Annotated[
        Path | None,
        typer.Option(
            "--output",
            parser=named_path,
            metavar="PATH",
            help="A file to write that format to; the text is shown as well.",
        ),
    ] = None,
) -> None:
    """Find the regularization mistakes in files, which are read and not run, and in the models that factories make."""
    from bridle_audit import audit_targets
    from bridle_audit.report import audit_as

    check_options(form, fail_on)
    if "" in targets:
        raise ValueError("an empty name is neither a file, a folder nor a factory; . is the current folder")
    found = audit_targets(targets, allow or ())
    if out:
        write_whole(out, audit_as(form, found, Path.cwd()))
    if form == "text" or out:
        show_audit(found)
    else:
        typer.echo(audit_as(form, found, Path.cwd()), nl=False)
    raise typer.Exit(FOUND if fail_on != NEVER and found.findings.at_least(fail_on) else 0)


def check_options(form: str, fail_on: str) -> None:
    """``ValueError`` for a word that is not known, before any work is done."""
    from bridle_audit.report import FORMS

    for name, given, known in (("format", form, FORMS), ("fail-on", fail_on, (*SEVERITIES, NEVER))):
        if given not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, got {given!r}")


def show_audit(found: FileAudit) -> None:
    """Print what was found, and on stderr what was not read."""
    from bridle_audit.report import findings_text, remark_lines

    for each in remark_lines(found):
        say(each)
    show(findings_text(found), whole=True)


@app.command("convert")
def convert_one(  # noqa: PLR0917  (Typer calls it by name; each is an option)
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
