"""A reproduction as tables for the terminal, and as the Markdown of ``docs/notebook.md``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich import box
from rich.console import Group
from rich.table import Table

from bridle.metric_info import METRICS
from bridle.reproduce.discussion import mean, paragraphs
from bridle.reproduce.literal import EPOCHS, OUTPUTS, PROGRAMS, LiteralRun, NotebookSection
from bridle.reproduce.reproduction import Reproduction, RightRecipe, spread
from bridle.results import Versus
from bridle.rounding import RoundedInterval
from bridle_audit.wording import counted

__all__ = ["markdown", "table"]

SHORT = 14  # characters of a cell that stays in one line; longer ones fold where the terminal is narrow
COMMAND = "bridle reproduce notebook"


class Grid(NamedTuple):
    """A table before it has a form; the first column holds words, the others numbers."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def table(reproduction: Reproduction) -> Group:
    """Return the tables for a terminal."""
    return Group(*(rich_table(grid) for grid in grids(reproduction)))


def markdown(reproduction: Reproduction, command: str = COMMAND) -> str:
    """Write the tables, the paragraphs, and what made them: ``command``, machine, versions and date."""
    tables = [f"## {grid.title}\n\n{markdown_table(grid)}" for grid in grids(reproduction)]
    findings = [f"**{title}.** {text}" for title, text in paragraphs(reproduction)]
    return "\n\n".join([*tables, "## What it shows", *findings, "## Made by", made_by(reproduction, command)]) + "\n"


def grids(reproduction: Reproduction) -> list[Grid]:
    """Return all tables that the runs suffice for."""
    programs = [(program, reproduction.runs_of(program.name)) for program in PROGRAMS]
    trained = [(program, runs) for program, runs in programs if runs]
    all_tables = [
        literal_grid(trained),
        losses_grid(trained, reproduction.printed_epochs),
        right_grid(reproduction.right),
    ]
    return [grid for grid in all_tables if grid.rows]


def literal_grid(trained: list[tuple[NotebookSection, list[LiteralRun]]]) -> Grid:
    """Return the notebook's numbers beside ours."""
    columns = (
        "",
        "Accuracy in the notebook, %",
        "here, %",
        f"Dead outputs of {OUTPUTS}",
        "Seconds in the notebook",
        "here",
    )
    rows = [
        (
            program.name,
            f"{program.printed.accuracy:.2f}",
            spread([run.accuracy for run in runs]),
            counts([run.dead_outputs for run in runs]),
            f"{program.printed.seconds:.1f}",
            f"{mean([run.seconds for run in runs]):.1f}",
        )
        for program, runs in trained
    ]
    return Grid("The notebook as it stands", columns, rows)


def losses_grid(trained: list[tuple[NotebookSection, list[LiteralRun]]], epochs: list[int]) -> Grid:
    """Return the losses that the notebook prints, under its own and ours, one row per seed."""
    rows = []
    for program, runs in trained:
        printed = program.printed.losses[: len(epochs)]
        rows.append((f"{program.name}, notebook", *(f"{loss:.4f}" for loss in printed)))
        rows += [(f"{program.name}, seed {run.seed}", *(f"{loss:.4f}" for loss in run.losses)) for run in runs]
    return Grid("Training loss by epoch", ("", *map(str, epochs)), rows)


def right_grid(right: list[RightRecipe]) -> Grid:
    """Return the scores and differences of the comparison done right."""
    columns = ("", "Recipe", "Validation, %", "Test, %", "Versus none, points (95 %)", "Dead outputs", "Seconds")
    rows = [
        (
            each.name,
            each.recipe,
            spread(each.accuracy),
            spread(each.test_accuracy) if each.test_accuracy else "",
            interval(each.versus),
            counts(each.dead_outputs),
            f"{each.seconds:.1f}",
        )
        for each in right
    ]
    return Grid("The same comparison done right", columns, rows)


def counts(values: list[int]) -> str:
    """Format one count per seed, or one for all where they agree.

    >>> counts([10, 3]), counts([0, 0])
    ('10, 3', '0')
    """
    return ", ".join(map(str, values if len(set(values)) > 1 else values[:1]))


def interval(versus: Versus | None) -> str:
    """Format a paired difference with its interval."""
    if versus is None:
        return ""
    scale = 100 if METRICS[versus.metric].percentage else 1
    text = RoundedInterval.of(versus.difference, versus.low, versus.high, scale)
    return f"{text.difference} ({text.low} to {text.high})"


def rich_table(grid: Grid) -> Table:
    """Turn a grid into a table for ``rich``."""
    drawn = Table(
        title=f"\n{grid.title}",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=0,
    )
    for number, column in enumerate(grid.columns):
        short = number > 0 and all(len(row[number]) <= SHORT for row in grid.rows)
        head = column.replace(" ", "\n") if short else column
        drawn.add_column(head, justify="right" if number else "left", overflow="fold", no_wrap=short)
    for row in grid.rows:
        drawn.add_row(*row)
    return drawn


def markdown_table(grid: Grid) -> str:
    """Write a grid as a table of Markdown."""
    rule = ("---", *("--:" for _ in grid.columns[1:]))
    return "\n".join(f"| {' | '.join(row)} |" for row in (grid.columns, rule, *grid.rows))


def made_by(reproduction: Reproduction, command: str) -> str:
    """Name the command, the machine, the versions and the date of a reproduction."""
    made = reproduction.made
    versions = ", ".join(f"{package} {version}" for package, version in made["versions"].items())
    seeds = len({run.seed for run in reproduction.runs})
    protocol = ", ".join(f"{key} {value}" for key, value in reproduction.protocol.to_json().items())
    short = "" if reproduction.epochs == EPOCHS else f", shortened from {EPOCHS}"
    return (
        f"`{command}` on {made['date']}: {made['machine']}; bridle {made['bridle']}, Python {made['python']}, "
        f"{versions}. Literal runs: {counted('seed', seeds)}, {counted('epoch', reproduction.epochs)}{short}. "
        f"Done right: network {reproduction.network}, {protocol}."
    )
