"""The comparison as a table for the terminal: one where it is wide enough, two of them where it is not.

Minus signs are hyphens here, as in the verdicts below the table: not every terminal has the true one.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from bridle.report.formats import MINUS, NOTHING, MetricFormat
from bridle.report.rows import ContenderRow, Difference, ReferenceRow, Report
from bridle.results import HELPS, HURTS, Study

__all__ = ["comparison_table", "study_text", "typed"]

NAME_WIDTH = 26  # WeightDecay(strength=0.01) in one line; longer recipes fold between their parts
VERDICT_WIDTH = 15
WIDE = 10_000  # columns: as wide as a table may want to be
TEXT_WIDTH = 100
STYLES = {HELPS: "green", HURTS: "red"}
FAINT = "dim"


@dataclass(frozen=True)
class CellColumn:
    """A column of a table: its head, and a cell for each contender and reference."""

    head: str
    cells: list[str | Text]
    is_text: bool = False


@dataclass(frozen=True)
class ComparisonTable:
    """The table of a comparison; folded into two where the terminal is narrower than one."""

    report: Report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        scores, rest = score_columns(self.report), rest_columns(self.report)
        together = grid(self.report, [*scores, *rest])
        fits = console.measure(together, options=options.update(width=WIDE)).maximum <= options.max_width
        yield from [together] if fits else [grid(self.report, scores), grid(self.report, rest)]
        yield Text(legend(self.report), style=FAINT)


def comparison_table(study: Study) -> ComparisonTable:
    """Return a table for ``rich``: scores of contenders and references, differences to the baseline, verdicts."""
    return ComparisonTable(Report.of(study))


def study_text(study: Study) -> str:
    """Return the table of a comparison as plain text, at most 100 characters wide."""
    page = io.StringIO()
    console = Console(file=page, width=TEXT_WIDTH, color_system=None, force_terminal=False, force_jupyter=False)
    console.print(comparison_table(study))
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines())


def grid(report: Report, columns: list[CellColumn]) -> Table:
    """Return a table with one row for each contender and reference; only recipes and verdicts may fold."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column("recipe", max_width=NAME_WIDTH, overflow="fold")
    for column in columns:
        if column.is_text:
            table.add_column(column.head, max_width=VERDICT_WIDTH, overflow="fold")
        else:
            table.add_column(column.head, justify="right", no_wrap=True)
    names = [*map(recipe_cell, report.rows), *(Text(row.name) for row in report.references)]
    styles = [""] * len(report.rows) + [FAINT] * len(report.references)
    for style, *cells in zip(styles, names, *(column.cells for column in columns), strict=True):
        table.add_row(*cells, style=style)
    return table


def recipe_cell(row: ContenderRow) -> Text:
    """Return the recipe, and below it how many runs are missing or diverged."""
    name = row.contender.name
    return Text(name if row.whole else f"{name}\nruns: {row.runs}")


def score_columns(report: Report) -> list[CellColumn]:
    """Return the main metric on the validation and the test rows, and what is shown beside it."""
    shown = [(split, report.metric) for split in report.splits if split != "train"]
    shown += [(report.quoted_split, report.beside)] if report.beside else []
    rows: list[ContenderRow | ReferenceRow] = [*report.rows, *report.references]
    return [CellColumn(headed_by(split, metric), score_cells(rows, split, metric)) for split, metric in shown]


def headed_by(split: str, metric: MetricFormat) -> str:
    """Return the head of a column of scores."""
    return f"{split}\n{metric.label}{metric.suffix}"


def score_cells(rows: Sequence[ContenderRow | ReferenceRow], split: str, metric: MetricFormat) -> list[str | Text]:
    """Return the mean score of each row."""
    return [typed(row.score(split, metric).mean) for row in rows]


def rest_columns(report: Report) -> list[CellColumn]:
    """Return the difference to the baseline with its interval, and the verdict."""
    empty: list[str | Text] = [""] * len(report.references)
    return [
        CellColumn(
            "against baseline\n[95 % interval]", [*(difference_cell(row.difference) for row in report.rows), *empty]
        ),
        CellColumn("\nverdict", [*map(verdict_cell, report.rows), *empty], is_text=True),
    ]


def difference_cell(difference: Difference | None) -> Text:
    """Return the difference with its interval, green where it helps, red where it hurts."""
    if not difference:
        return Text(NOTHING)
    return Text(typed(f"{difference.mean} {difference.interval}"), style=STYLES.get(difference.versus.verdict, ""))


def verdict_cell(row: ContenderRow) -> Text:
    """Return the verdict in its colour."""
    return Text(
        row.verdict.replace(", ", "\n"), style=STYLES.get(row.difference.versus.verdict, "") if row.difference else ""
    )


def typed(text: str) -> str:
    """Replace the true minus sign by the keyboard's."""
    return text.replace(MINUS, "-")


def legend(report: Report) -> str:
    """Explain the units of the table's numbers."""
    percentages = [metric.label for metric in (report.metric, report.beside) if metric and metric.is_percentage]
    points = ", differences in points" if report.metric.is_percentage else ""
    units = f"{' and '.join(percentages)} in percent{points}; " if percentages else ""
    mean = "one seed" if len(report.study.seeds) == 1 else f"means over {report.seeds}"
    better = "higher" if report.study.higher_is_better else "lower"
    return f"{units}{mean}; {better} {report.metric.label} is better"
