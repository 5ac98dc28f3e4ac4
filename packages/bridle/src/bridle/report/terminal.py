"""The comparison as a table for the terminal: one where it is wide enough, two of them where it is not.

Minus signs are hyphens here, as in the verdicts below the table: not every terminal has the true one.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from bridle.report.formats import MINUS, NOTHING, fixed
from bridle.report.rows import ContenderRow, Difference, Report
from bridle.results import HELPS, HURTS, Study

__all__ = ["comparison_table", "typed"]

NAME_WIDTH = 26  # WeightDecay(strength=0.01) in one line; longer recipes fold between their parts
WIDE = 10_000  # columns: as wide as a table may want to be
STYLES = {HELPS: "green", HURTS: "red"}
HEADS = {"calibration_error": "calib.\nerror"}


@dataclass(frozen=True)
class CellColumn:
    """A column of a table: its head, and a cell for each contender."""

    head: str
    cells: list[str | Text]


@dataclass(frozen=True)
class ComparisonTable:
    """The table of a comparison; folded into two where the terminal is narrower than one."""

    report: Report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        scores, rest = score_columns(self.report), rest_columns(self.report)
        together = grid(self.report, [*scores, *rest])
        fits = console.measure(together, options=options.update(width=WIDE)).maximum <= options.max_width
        yield from [together] if fits else [grid(self.report, scores), grid(self.report, rest)]
        yield Text(legend(self.report), style="dim")


def comparison_table(study: Study) -> ComparisonTable:
    """Return a table for ``rich``: scores as mean ± standard deviation, gap, difference to the baseline, loss, cost."""
    return ComparisonTable(Report.of(study))


def grid(report: Report, columns: list[CellColumn]) -> Table:
    """Return a table with one row for each contender; only the recipe's column may fold."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("recipe", max_width=NAME_WIDTH, overflow="fold")
    for column in columns:
        table.add_column(column.head, justify="right", no_wrap=True)
    for cells in zip(map(recipe_cell, report.rows), *(column.cells for column in columns), strict=True):
        table.add_row(*cells)
    return table


def recipe_cell(row: ContenderRow) -> Text:
    """Return the recipe, and below it how many runs are missing or diverged."""
    name = row.contender.name
    return Text(name if row.whole else f"{name}\nruns: {row.runs}")


def score_columns(report: Report) -> list[CellColumn]:
    """Return the main metric on each split, and the gap."""
    metric = report.metric
    columns = [
        CellColumn(
            f"{split}\n{metric.label}{metric.suffix}",
            [typed(row.score(split, metric).spread) for row in report.rows],
        )
        for split in report.splits
    ]
    return [*columns, CellColumn("gap", [typed(row.gap) for row in report.rows])]


def rest_columns(report: Report) -> list[CellColumn]:
    """Return the difference to the baseline, the other metrics on the split that is quoted, and the cost."""
    split = report.quoted_split
    others = [
        CellColumn(
            f"{split}\n{HEADS.get(metric.name, metric.label)}",
            [typed(row.score(split, metric).mean) for row in report.rows],
        )
        for metric in report.metrics
        if metric != report.metric
    ]
    return [
        CellColumn("against baseline\n[95 % interval]", [difference_cell(row.difference) for row in report.rows]),
        *others,
        CellColumn("dead\nunits", [row.dead_units for row in report.rows]),
        CellColumn("sec-\nonds", [fixed(row.contender.seconds, 2) for row in report.rows]),
    ]


def difference_cell(difference: Difference | None) -> Text:
    """Return the difference with its interval, green where it helps, red where it hurts."""
    if not difference:
        return Text(NOTHING)
    text = f"{difference.mean} [{difference.low}, {difference.high}]"
    return Text(typed(text), style=STYLES.get(difference.versus.verdict, ""))


def typed(text: str) -> str:
    """Replace the true minus sign by the keyboard's."""
    return text.replace(MINUS, "-")


def legend(report: Report) -> str:
    """Explain the units and spreads of the table's numbers."""
    percentages = [metric.label for metric in report.metrics if metric.is_percentage]
    units = f"{' and '.join(percentages)} in percent, differences in points; " if percentages else ""
    spreads = "one seed" if len(report.study.seeds) == 1 else f"mean ± standard deviation over {report.seeds}"
    return f"{units}{spreads}; seconds are those of one run"
