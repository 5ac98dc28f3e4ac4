"""The comparison as a table for the terminal: one where it is wide enough, two of them where it is not.

Minus signs are hyphens here, as in the verdicts below the table: not every terminal has the true one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from bridle.report.formats import MINUS, NOTHING, PERCENT, bare, fixed, label, signed, spread
from bridle.report.narrative import HELPS, HURTS
from bridle.report.tables import dead, metrics_of, quoted_split, runs_of, splits_of
from bridle.results import Contender, Study
from bridle_audit.wording import counted

NAME_WIDTH = 26  # WeightDecay(strength=0.01) in one line; longer recipes fold between their parts
WIDE = 10_000  # columns: as wide as a table may want to be
STYLES = {HELPS: "green", HURTS: "red"}
HEADS = {"calibration_error": "calib.\nerror"}


@dataclass(frozen=True)
class Column:
    """A head, and how a contender fills the column."""

    head: str
    cell: Callable[[Contender], str | Text]


@dataclass(frozen=True)
class Comparison:
    """A study's numbers; folded into two tables where the terminal is narrower than one."""

    study: Study

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        scores, rest = score_columns(self.study), rest_columns(self.study)
        together = grid(self.study, [*scores, *rest])
        fits = console.measure(together, options=options.update(width=WIDE)).maximum <= options.max_width
        yield from [together] if fits else [grid(self.study, scores), grid(self.study, rest)]
        yield Text(legend(self.study), style="dim")


def comparison_table(study: Study) -> Comparison:
    """A table for ``rich``: scores as mean ± standard deviation, gap, difference to the baseline, loss, cost."""
    return Comparison(study)


def grid(study: Study, columns: list[Column]) -> Table:
    """One row for each contender; only the recipe's column may fold."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("recipe", max_width=NAME_WIDTH, overflow="fold")
    for column in columns:
        table.add_column(column.head, justify="right", no_wrap=True)
    for contender in study.contenders:
        table.add_row(named(study, contender), *(column.cell(contender) for column in columns))
    return table


def named(study: Study, contender: Contender) -> Text:
    """The recipe, and below it how many runs are missing or diverged."""
    whole = len(contender.runs) == len(study.seeds) and not contender.diverged
    return Text(contender.name) if whole else Text(f"{contender.name}\nruns: {runs_of(study, contender)}")


def score_columns(study: Study) -> list[Column]:
    """The main metric on each split, and the gap."""
    metric = study.metric
    unit = " %" if metric in PERCENT else ""
    columns = [
        Column(f"{split}\n{label(metric)}{unit}", score_cell(split, metric, with_sd=True)) for split in splits_of(study)
    ]
    return [*columns, Column("gap", lambda contender: typed(signed(metric, contender.gap)))]


def rest_columns(study: Study) -> list[Column]:
    """The difference to the baseline, the other metrics on the split that is quoted, and the cost."""
    split = quoted_split(study)
    others = [
        Column(f"{split}\n{HEADS.get(metric, label(metric))}", score_cell(split, metric, with_sd=False))
        for metric in metrics_of(study)
        if metric != study.metric
    ]
    return [
        Column("against baseline\n[95 % interval]", versus_cell),
        *others,
        Column("dead\nunits", lambda contender: dead(contender.dead_units)),
        Column("sec-\nonds", lambda contender: fixed(contender.seconds, 2)),
    ]


def score_cell(split: str, metric: str, *, with_sd: bool) -> Callable[[Contender], str]:
    """Returns how a contender's score is shown."""

    def cell(contender: Contender) -> str:
        summary = contender.scores.get(split, {}).get(metric)
        if with_sd or summary is None:
            return typed(spread(metric, summary))
        return typed(bare(metric, summary.mean))

    return cell


def versus_cell(contender: Contender) -> Text:
    """Difference and interval, green where it helps, red where it hurts."""
    versus = contender.versus_baseline
    if not versus:
        return Text(NOTHING)
    difference, low, high = (signed(versus.metric, each) for each in (versus.difference, versus.low, versus.high))
    return Text(typed(f"{difference} [{low}, {high}]"), style=STYLES.get(versus.verdict, ""))


def typed(text: str) -> str:
    """``text`` with the minus sign of a keyboard."""
    return text.replace(MINUS, "-")


def legend(study: Study) -> str:
    """Returns what the numbers are."""
    percentages = [label(metric) for metric in metrics_of(study) if metric in PERCENT]
    units = f"{' and '.join(percentages)} in percent, differences in points; " if percentages else ""
    spreads = (
        "one seed" if len(study.seeds) == 1 else f"mean ± standard deviation over {counted('seed', len(study.seeds))}"
    )
    return f"{units}{spreads}; seconds are those of one run"
