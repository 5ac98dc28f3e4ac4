"""Charts with a row for each contender: every seed as a dot, the mean, and how far it may be off."""

from __future__ import annotations

from bridle.report.averaging import finite, mean_of
from bridle.report.charts.figure import (
    Chart,
    Layout,
    PageTable,
    RowLabel,
    Trace,
    axis,
    height_of,
    plain_text,
    rows_layout,
    summarized,
    translucent,
)
from bridle.report.formats import NOTHING, MetricFormat, fixed, headed
from bridle.report.rows import ContenderRow, Difference, Report
from bridle.results import SPLIT_NAMES, Contender, Summary

__all__ = ["difference_chart", "gap_chart", "score_chart", "spread_note"]

SEEDS_BELOW = 0.22  # of a row: how far the dots of the single seeds stand below the mean


def score_chart(report: Report, split: str, metric: MetricFormat) -> Chart | None:
    """Draw one metric on one split; ``None`` where no contender has it."""
    values = [row.score(split, metric).summary.values for row in report.rows]
    if not any(map(finite, values)):
        return None
    title = headed(metric.label_on(split))
    texts = [metric.shown(mean_of(its)) + of_runs(its) for its in values]
    labels = [RowLabel(row, text) for row, text in zip(report.rows, texts, strict=True)]
    traces = score_traces(report.rows, metric, values)
    x_axis = axis(metric.label, ticksuffix=metric.suffix, nticks=6, range=framed(traces))
    return Chart(
        key=f"score-{split}-{metric.name}",
        title=title,
        note="",
        summary=summarized(title, labels),
        traces=traces,
        layout=rows_layout(labels, x_axis),
        table=seeds_table(report, title, metric, values),
    )


def gap_chart(report: Report) -> Chart | None:
    """Draw the training minus the validation score of the main metric; ``None`` where no run has both."""
    metric, title = report.metric, "Generalization gap"
    gaps = [gaps_of(row.contender, metric.name) for row in report.rows]
    if not any(map(finite, gaps)):
        return None
    texts = [metric.in_points(metric.signed(mean_of(its))) + of_runs(its) for its in gaps]
    labels = [RowLabel(row, text) for row, text in zip(report.rows, texts, strict=True)]
    traces = score_traces(report.rows, metric, gaps)
    return Chart(
        key="gap",
        title=title,
        note=f"Training minus validation {metric.label}, both measured in evaluation mode after the last epoch.",
        summary=summarized(title, labels),
        traces=traces,
        layout=difference_layout(labels, metric.difference_unit, traces),
        table=seeds_table(report, title, metric, gaps),
    )


def gaps_of(contender: Contender, metric: str) -> list[float]:
    """Return the training minus the validation score of each run."""
    scored = [run.scores for run in contender.runs]
    return [each["train"][metric] - each["valid"][metric] for each in scored if {"train", "valid"} <= set(each)]


def difference_chart(report: Report) -> Chart | None:
    """Draw each contender minus the baseline, paired by seed; ``None`` where nothing was paired."""
    if not report.compared:
        return None
    metric, split = report.metric, SPLIT_NAMES[report.split]
    labels = [RowLabel(row, found.in_points) for row, found in report.compared]
    traces = [
        trace
        for place, (row, found) in enumerate(report.compared)
        for trace in difference_traces(row, height_of(place, len(labels)), found)
    ]
    return Chart(
        key="difference",
        title=f"Difference from {report.baseline.name}",
        note=f"{headed(report.measured)} minus the baseline's, seed by seed. The large mark is the mean over the "
        "seeds, the bar its 95 % confidence interval, the small dots are the seeds. A bar that crosses the line at "
        "zero: no difference shown.",
        summary="; ".join(f"{row.name} {found.versus.words}" for row, found in report.compared) + ".",
        traces=traces,
        layout=difference_layout(labels, f"{metric.difference_unit} ({split})", traces),
        table=difference_table(report),
    )


def difference_layout(labels: list[RowLabel], unit: str, traces: list[Trace]) -> Layout:
    """Lay out a chart of differences, with a line at zero."""
    return {**rows_layout(labels, axis(unit, range=framed(traces, 0.0))), "shapes": [zero_line()]}


def difference_traces(row: ContenderRow, y: float, difference: Difference) -> list[Trace]:
    """Draw seeds, interval and mean of one contender's difference to the baseline."""
    versus = difference.versus
    metric = MetricFormat(versus.metric)
    mean, low, high = (metric.scaled(each) for each in (versus.difference, versus.low, versus.high))
    hover = f"{difference.in_points}<br>95 %: {difference.interval}<br>{plain_text(versus.verdict)}"
    dots = seed_dots(row, y, metric, versus.values)
    return [*dots, bar(row, y, (low, high)), mean_mark(row, y, mean, hover)]


def score_traces(rows: list[ContenderRow], metric: MetricFormat, values: list[list[float]]) -> list[Trace]:
    """Draw the values of all contenders, one for each run."""
    return [
        trace
        for place, (row, its) in enumerate(zip(rows, values, strict=True))
        for trace in run_traces(row, height_of(place, len(rows)), metric, its)
    ]


def run_traces(row: ContenderRow, y: float, metric: MetricFormat, values: list[float]) -> list[Trace]:
    """Draw seeds, mean ± standard deviation and mean of one contender, over the runs that are finite."""
    over = finite_summary(values)
    if over is None:
        return []
    mean, sd = metric.scaled(over.mean), metric.scaled(over.sd)
    mark = mean_mark(row, y, mean, f"{plain_text(row.name)}<br>{metric.with_unit(metric.spread(over))}")
    if len(over.values) == 1:
        return [mark]
    return [*seed_dots(row, y, metric, values), bar(row, y, (mean - sd, mean + sd)), mark]


def finite_summary(values: list[float]) -> Summary | None:
    """Summarize the finite values; ``None`` where there are none."""
    kept = finite(values)
    return Summary.of(kept) if kept else None


def of_runs(values: list[float]) -> str:
    """Count the runs that a number is over, where some are not finite: " (4 of 5)"."""
    kept = len(finite(values))
    return f" ({kept} of {len(values)})" if 0 < kept < len(values) else ""


def seed_dots(row: ContenderRow, y: float, metric: MetricFormat, values: list[float]) -> list[Trace]:
    """Draw each seed's value, a little below the mean."""
    kept = finite(values)
    if not kept:
        return []
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "meta": row.number,
            "name": plain_text(row.name),
            "x": [metric.scaled(value) for value in kept],
            "y": [y - SEEDS_BELOW] * len(kept),
            "text": [f"one seed: {metric.shown(value)}" for value in kept],
            "hovertemplate": "%{text}<extra></extra>",
            "marker": {"color": translucent(row.style.color, 0.55), "size": 6, "symbol": "circle"},
        }
    ]


def bar(row: ContenderRow, y: float, ends: tuple[float, float]) -> Trace:
    """Draw a thick line from end to end."""
    return {
        "type": "scatter",
        "mode": "lines",
        "meta": row.number,
        "x": list(ends),
        "y": [y, y],
        "line": {"color": translucent(row.style.color, 0.45), "width": 7},
        "hoverinfo": "skip",
    }


def mean_mark(row: ContenderRow, y: float, x: float, hover: str) -> Trace:
    """Draw the contender's own marker at its mean."""
    return {
        "type": "scatter",
        "mode": "markers",
        "meta": row.number,
        "x": [x],
        "y": [y],
        "text": [hover],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"color": row.style.color, "size": 12, "symbol": row.style.symbol},
    }


def framed(traces: list[Trace], *others: float) -> list[float]:
    """Return the range of an axis that leaves a little room beside all marks and ``others``."""
    values = [*others, *finite(value for trace in traces for value in trace["x"])]
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    return [low - room, high + room]


def zero_line() -> dict[str, object]:
    """Draw the line of no difference."""
    line = {"color": "#7d848e", "width": 1.5, "dash": "dot"}
    return {"type": "line", "x0": 0, "x1": 0, "yref": "paper", "y0": 0, "y1": 1, "layer": "below", "line": line}


def spread_note(report: Report) -> str:
    """Explain the marks of a chart of scores."""
    if len(report.study.seeds) == 1:
        return "The large marks are the scores of one seed, so there is no spread to show."
    diverged = any(row.contender.diverged for row in report.rows)
    left_out = " Runs that diverged are left out, and the number says how many are in it." if diverged else ""
    return (
        "Large marks are means over the seeds, bars one standard deviation to each side, small dots the seeds. "
        f"The scores to quote are those of the {SPLIT_NAMES[report.quoted_split]} rows.{left_out}"
    )


def seeds_table(report: Report, caption: str, metric: MetricFormat, values: list[list[float]]) -> PageTable:
    """Return the mean, the standard deviation and each run, one row for each contender."""
    most = max((len(each) for each in values), default=0)
    head = ["Recipe", "Mean", "Sd", *(f"Run {number}" for number in range(1, most + 1))]
    rows = []
    for row, its in zip(report.rows, values, strict=True):
        over = finite_summary(its)
        sd = fixed(metric.scaled(over.sd), 3) if over and len(over.values) > 1 else NOTHING
        cells = [metric.bare(value) for value in its] + [""] * (most - len(its))
        rows.append([row.name, metric.bare(mean_of(its)), sd, *cells])
    return PageTable(f"{caption}{metric.head_unit}", head, rows)


def difference_table(report: Report) -> PageTable:
    """Return difference, interval, verdict and the smallest difference that would have shown, by contender."""
    head = ["Recipe", "Difference", "95 % from", "to", "Verdict", "Smallest that would show"]
    rows = [
        [row.name, found.mean, found.low, found.high, found.versus.verdict, found.smallest]
        for row, found in report.compared
    ]
    return PageTable(f"Difference in {report.measured}{report.metric.head_points}", head, rows)
