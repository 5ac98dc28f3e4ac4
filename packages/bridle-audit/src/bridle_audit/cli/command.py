"""The command that looks for mistakes; and what it shows of its rules."""

# ruff: noqa: PLC0415

# Note [imports of the command]
# The help must not wait for the rules: what the command works with is imported when it runs.

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridle_audit import __version__
from bridle_audit.atomic_files import write_whole
from bridle_audit.cli.console import say, show
from bridle_audit.cli.entry_point import named_path
from bridle_audit.errors import InputError
from bridle_audit.findings import NEVER, SEVERITIES, FileAudit

__all__ = ["audit", "list_rules"]

if TYPE_CHECKING:
    from bridle_audit.cli.settings import Settings

FOUND = 1  # the exit code


def show_version(asked: bool) -> None:
    """Print the version and end, if asked for."""
    if asked:
        typer.echo(f"bridle-audit {__version__}")
        raise typer.Exit


def audit(  # noqa: PLR0917  (Typer calls it by name; each is an option)
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH|MODULE:FACTORY",
            help="Scripts, notebooks, folders; functions that make a model. Left out: the current folder.",
            show_default=False,
        ),
    ] = None,
    select: Annotated[
        list[str] | None, typer.Option(metavar="RULE", help="Look for this alone; with commas, or repeat for more.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="RULE", help="Do not look for this; with commas, or repeat for more.")
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Files and folders that are not read; with commas, or repeat for more."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="How many processes read; 0, or left out: one for each core where there are many files."
        ),
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="text, json, sarif or github; text unless given.")
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            help=f"Exit with 1 from this severity on: {', '.join(SEVERITIES)}; or {NEVER}; warning unless given."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--output",
            parser=named_path,
            metavar="PATH",
            help="A file to write that format to; the text is shown as well.",
        ),
    ] = None,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules; as JSON with --format json.")] = False,
    explain: Annotated[
        list[str] | None, typer.Option(metavar="RULE", help="Show a rule's page; with commas, or repeat for more.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find the regularization mistakes in files, which are read and not run, and in the models that factories make.

    Options left out are taken from the table tool.bridle-audit of the nearest pyproject.toml that has one.
    """
    del version  # its callback has done it
    if rules:
        list_rules(form or "text")
    elif explain:
        explain_rules(split(explain) or ())
    else:
        from bridle_audit.cli.settings import settings

        chosen = settings(
            Path.cwd(),
            select=split(select),
            ignore=split(ignore),
            exclude=split(exclude),
            jobs=jobs,
            format=form,
            fail_on=fail_on,
        )
        run_audit(targets or ["."], chosen, out)


def split(given: Sequence[str] | None) -> tuple[str, ...] | None:
    """The values of an option that takes several, each in its own option or with commas; ``None`` if left out.

    >>> split(["a,b", "c"])
    ('a', 'b', 'c')
    """
    if given is None:
        return None
    return tuple(part.strip() for each in given for part in each.split(","))


def run_audit(targets: Sequence[str], chosen: Settings, out: Path | None) -> None:
    """Audit, print or write what is found, and end with the exit code that it asks for."""
    from bridle_audit import audit_targets
    from bridle_audit.report import audit_as

    if "" in targets:
        raise InputError("an empty name is neither a file, a folder nor a factory; . is the current folder")
    found = audit_targets(targets, chosen.ignore, chosen.select, chosen.exclude, chosen.jobs)
    if out:
        write_whole(out, audit_as(chosen.format, found, Path.cwd()))
    if chosen.format == "text" or out:
        show_audit(found)
    else:
        typer.echo(audit_as(chosen.format, found, Path.cwd()), nl=False)
    fails = chosen.fail_on != NEVER and found.findings.at_least(chosen.fail_on)
    raise typer.Exit(FOUND if fails else 0)


def show_audit(found: FileAudit) -> None:
    """Print what was found, and on stderr what was not read."""
    from bridle_audit.report import findings_text, remark_lines

    for each in remark_lines(found):
        say(each)
    show(findings_text(found), whole=True)


def list_rules(form: str) -> None:
    """Print the rules by severity, as text or as JSON."""
    from bridle_audit.report.rules import rule_listing, rules_as_data
    from bridle_audit.rules import RULES
    from bridle_audit.run.files import rule_pages

    pages = rule_pages(RULES.values())
    if form == "json":
        typer.echo(json.dumps(rules_as_data(pages), indent=1, ensure_ascii=False))
    elif form == "text":
        show(rule_listing(pages), whole=True)
    else:
        raise InputError(f"the rules are listed as text or as json, not as {form!r}")


def explain_rules(names: Iterable[str]) -> None:
    """Print the pages of rules, one after the other."""
    from bridle_audit.report.rules import rule_explanation
    from bridle_audit.rules import RULES
    from bridle_audit.run.files import rule_pages
    from bridle_audit.run.selection import rule_names

    for number, page in enumerate(rule_pages(RULES[each] for each in rule_names("--explain", tuple(names)))):
        show(*["\n"] * bool(number), rule_explanation(page))
