"""Charts with a row for each contender: every seed as a dot, the mean, and how far it may be off.

Colour and mark of a row tell its verdict; references are grey rows, each with a line through the whole chart.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from bridle.report.averaging import finite, mean_of
from bridle.report.charts.figure import (
    GREY,
    Axis,
    Chart,
    PageTable,
    RowLabel,
    Trace,
    axis,
    height_of,
    level_line,
    plain_text,
    rows_chart,
    translucent,
)
from bridle.report.diagnosis import constant_reference
from bridle.report.formats import NOTHING, MetricFormat, headed, p_value, true_minus
from bridle.report.rows import ContenderRow, Difference, ReferenceRow, Report
from bridle.results import SPLIT_NAMES, Contender, Summary

__all__ = ["difference_chart", "gap_chart", "narrow_axis", "score_chart", "spread_note"]

SEEDS_BELOW = 0.22  # of a row: how far the dots of the single seeds stand below the mean
# Times the contenders' own range: references farther away are told at the edge of the axis. The constant answer, which
# says whether anything was learnt, is worth a wider axis.
REACH, FAR_REACH = 2.5, 5.0
HOVER = 60  # letters in a line beside a mark
MANY_TICKS, FEW_TICKS = 8, 4  # numbers under an axis, at most: of a chart over all columns, of one in a column


def score_chart(report: Report, split: str, metric: MetricFormat) -> Chart | None:
    """Draw one metric on one split; ``None`` where no contender has it."""
    values = [row.score(split, metric).summary.values for row in report.rows]
    if not any(map(finite, values)):
        return None
    title = headed(metric.label_on(split))
    beside = [row for row in report.references if finite([row.score(split, metric).summary.mean])]
    count = len(report.rows) + len(beside)
    traces = score_traces(report.rows, metric, values, count)
    constant = constant_reference(report)
    frame = framed(
        traces,
        {
            metric.scaled(row.score(split, metric).summary.mean): FAR_REACH if row is constant else REACH
            for row in beside
        },
    )
    lines = []
    for place, row in enumerate(beside, start=len(report.rows)):
        at = metric.scaled(row.score(split, metric).summary.mean)
        traces.append(reference_mark(row, height_of(place, count), at, frame, row.score(split, metric).shown))
        lines += [level_line(at)] if frame[0] <= at <= frame[1] else []
    return rows_chart(
        f"score-{split}-{metric.name}",
        title,
        "",
        labels=[
            *(
                RowLabel(row.name, row.verdict_style.color, metric.shown(mean_of(its)) + of_runs(its))
                for row, its in zip(report.rows, values, strict=True)
            ),
            *(reference_label(row, split, metric, frame) for row in beside),
        ],
        traces=traces,
        x_axis=axis(
            f"{metric.label}{narrow_axis(frame, metric)}", ticksuffix=metric.suffix, nticks=FEW_TICKS, range=frame
        ),
        table=seeds_table(report, title, metric, values, split),
        shapes=lines,
    )


def reference_label(row: ReferenceRow, split: str, metric: MetricFormat, frame: Sequence[float]) -> RowLabel:
    """Label a reference, and say where it lies beyond the axis."""
    score = row.score(split, metric)
    outside = not frame[0] <= metric.scaled(score.summary.mean) <= frame[1]
    return RowLabel(row.name, GREY, f"{score.shown}{' (off axis)' if outside else ''}", faint=True)


def reference_mark(row: ReferenceRow, y: float, x: float, frame: Sequence[float], shown: str) -> Trace:
    """Draw the mark of a reference; an arrow at the edge where it lies beyond the axis."""
    low, high = frame
    symbol = "triangle-left" if x < low else "triangle-right" if x > high else "line-ns"
    size = 9 if symbol != "line-ns" else 11
    room = 0.012 * (high - low)
    return {
        "type": "scatter",
        "mode": "markers",
        "meta": -1,
        "x": [min(max(x, low + room), high - room)],
        "y": [y],
        "cliponaxis": False,
        "text": [f"{plain_text(row.name)}: {shown}<br>{plain_text(row.reference.description)}"],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"color": GREY, "size": size, "symbol": symbol, "line": {"color": GREY, "width": 2}},
    }


def narrow_axis(frame: Sequence[float], metric: MetricFormat) -> str:
    """Say that an axis does not begin at zero, where it does not.

    >>> narrow_axis([96.5, 98.5], MetricFormat("accuracy")), narrow_axis([-0.1, 0.4], MetricFormat("log_loss"))
    (' (axis 96.5 to 98.5, not from 0)', '')
    """
    low, high = frame
    if low <= 0 <= high:
        return ""
    ends = [true_minus(f"{end:.3g}") for end in (low, high)]
    return f" (axis {ends[0]} to {ends[1]}, not from 0)"


def gap_chart(report: Report) -> Chart | None:
    """Draw the training minus the validation score of the main metric; ``None`` where no run has both."""
    metric = report.metric
    gaps = [gaps_of(row.contender, metric.name) for row in report.rows]
    if not any(map(finite, gaps)):
        return None
    texts = [metric.in_points(metric.signed(mean_of(its))) + of_runs(its) for its in gaps]
    traces = score_traces(report.rows, metric, gaps, len(report.rows))
    return rows_chart(
        "gap",
        "Generalization gap",
        f"Training minus validation {metric.label}, both in evaluation mode with the weights that were kept.",
        labels=[
            RowLabel(row.name, row.verdict_style.color, text) for row, text in zip(report.rows, texts, strict=True)
        ],
        traces=traces,
        x_axis=difference_axis(metric.difference_unit, traces, FEW_TICKS),
        table=seeds_table(report, "Generalization gap", metric, gaps),
        shapes=[level_line(0)],
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
    better = "right is better" if report.study.higher_is_better else "left is better"
    labels = [difference_label(row, found) for row, found in report.compared]
    traces = [
        trace
        for place, (row, found) in enumerate(report.compared)
        for trace in difference_traces(row, height_of(place, len(labels)), found)
    ]
    margin = margin_of(report)
    return rows_chart(
        "difference",
        f"Difference from {report.baseline.spoken}",
        f"{headed(report.measured)} minus the baseline's, seed by seed. The large mark is the mean over the "
        f"seeds, the bar its 95 % confidence interval, the small dots are the seeds.{margin_note(metric, margin)}"
        f"{doubts_note(report)}",
        labels=labels,
        traces=traces,
        x_axis=difference_axis(f"{split} {metric.difference_unit}; {better}", traces, MANY_TICKS),
        table=difference_table(report),
        shapes=[level_line(0), *([margin_band(metric.scaled(margin))] if margin else [])],
        stacked=True,
    )


def difference_label(row: ContenderRow, found: Difference) -> RowLabel:
    """Label a contender with its verdict, difference and interval, and how many more seeds would tell."""
    more = f"about {row.more_seeds}" if row.more_seeds else ""
    return RowLabel(row.name, row.verdict_style.color, f"{row.verdict_word}: {found.mean} {found.interval}", more)


def margin_of(report: Report) -> float:
    """Return the margin of the study's verdicts; 0 where there is none."""
    found = [its.versus.margin for _, its in report.compared if its.versus.margin]
    return report.study.margin or (found[0] if found else 0.0)


def margin_note(metric: MetricFormat, margin: float) -> str:
    """Explain the band of the margin, where there is one."""
    size = metric.size(margin)
    return f" The grey band, ±{size}, is the margin: differences within it are of no consequence." if margin else ""


def doubts_note(report: Report) -> str:
    """Explain an interval beside zero that is no verdict, and the seeds that would tell, where there are any."""
    chance = " An interval beside zero is not always enough: verdicts hold for all contenders together."
    more = " So many more seeds would tell a difference of the size that was seen."
    seen = (any(its.may_be_chance for _, its in report.compared), any(row.more_seeds for row in report.rows))
    return "".join(note for note, there in zip((chance, more), seen, strict=True) if there)


def margin_band(size: float) -> dict[str, object]:
    """Draw the band of differences that are of no consequence."""
    ends = {"x0": -size, "x1": size, "y0": 0, "y1": 1, "yref": "paper"}
    return {"type": "rect", **ends, "layer": "below", "fillcolor": translucent(GREY, 0.14), "line": {"width": 0}}


def difference_axis(unit: str, traces: list[Trace], ticks: int) -> Axis:
    """Return an axis of differences, with room for zero."""
    return axis(unit, nticks=ticks, range=framed([*traces, {"x": [0.0]}], {}))


def difference_traces(row: ContenderRow, y: float, difference: Difference) -> list[Trace]:
    """Draw seeds, interval and mean of one contender's difference to the baseline."""
    versus, metric = difference.versus, difference.metric
    mean, low, high = (metric.scaled(each) for each in (versus.difference, versus.low, versus.high))
    hover = f"{difference.in_points}<br>95 %: {difference.interval}<br>{wrapped(row.verdict_sentence)}"
    dots = seed_dots(row, y, metric, versus.values)
    return [*dots, bar(row, y, (low, high)), mean_mark(row, y, mean, hover)]


def wrapped(sentence: str) -> str:
    """Break a sentence into lines that fit beside a mark."""
    return "<br>".join(map(plain_text, textwrap.wrap(sentence, HOVER)))


def score_traces(rows: list[ContenderRow], metric: MetricFormat, values: list[list[float]], count: int) -> list[Trace]:
    """Draw the values of all contenders, one for each run, in a chart of ``count`` rows."""
    return [
        trace
        for place, (row, its) in enumerate(zip(rows, values, strict=True))
        for trace in run_traces(row, height_of(place, count), metric, its)
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
            "marker": {"color": translucent(row.verdict_style.color, 0.55), "size": 5, "symbol": "circle"},
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
        "line": {"color": translucent(row.verdict_style.color, 0.45), "width": 6},
        "hoverinfo": "skip",
    }


def mean_mark(row: ContenderRow, y: float, x: float, hover: str) -> Trace:
    """Draw the mark of the contender's verdict at its mean."""
    style = row.verdict_style
    return {
        "type": "scatter",
        "mode": "markers",
        "meta": row.number,
        "x": [x],
        "y": [y],
        "text": [hover],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "color": style.color,
            "size": 11,
            "symbol": style.symbol,
            "line": {"color": style.color, "width": 2},
        },
    }


def framed(traces: list[Trace], references: Mapping[float, float]) -> list[float]:
    """Return the range of an axis that leaves a little room beside all marks, and references that are within reach."""
    values = finite(value for trace in traces for value in trace["x"])
    low, high = min(values), max(values)
    near = [
        each for each, reach in references.items() if low - reach * (high - low) <= each <= high + reach * (high - low)
    ]
    low, high = min([low, *near]), max([high, *near])
    room = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    return [low - room, high + room]


def spread_note(report: Report) -> str:
    """Explain the marks of a chart of scores."""
    arrows = "; an arrow at the edge of a chart stands for one beyond it"
    grey = f" Grey lines are references that need no tuning, on the same rows{arrows}." if report.references else ""
    if len(report.study.seeds) == 1:
        return f"The large marks are the scores of one seed, so there is no spread to show.{grey}"
    diverged = any(row.contender.diverged for row in report.rows)
    left_out = " Runs that diverged are left out, and the number says how many are in it." if diverged else ""
    return (
        "Large marks are means over the seeds, bars one standard deviation to each side, small dots the seeds; colours "
        f"are those of the verdicts.{grey} The scores to quote are those of the {SPLIT_NAMES[report.quoted_split]} "
        f"rows.{left_out}"
    )


def seeds_table(
    report: Report, caption: str, metric: MetricFormat, values: list[list[float]], split: str = ""
) -> PageTable:
    """Return the mean, the standard deviation and each run, one row for each contender, and for each reference."""
    rows = []
    for row, its in zip(report.rows, values, strict=True):
        over = finite_summary(its)
        sd = metric.deviation(over) if over else NOTHING
        rows.append([row.name, metric.bare(mean_of(its)), sd, "  ".join(map(metric.bare, its))])
    scored = [(row, row.score(split, metric)) for row in report.references]
    beside = [[row.name, score.mean, NOTHING, ""] for row, score in scored if score.mean != NOTHING]
    return PageTable(
        f"{caption}{metric.head_unit}",
        ["Recipe", "Mean", "Sd", "Runs"],
        [*rows, *beside],
        styles=[""] * len(rows) + ["reference"] * len(beside),
    )


def difference_table(report: Report) -> PageTable:
    """Return what the verdicts rest on, by contender: interval, p-values, and how much more would be needed."""
    head = [
        "Recipe",
        "Difference",
        "95 % interval",
        "Bootstrap",
        "p (Holm)",
        "p (signs)",
        "Shown by 80 %",
        "Seeds needed",
    ]
    rows = [[row.name, found.mean, found.interval, *statistics_of(found)] for row, found in report.compared]
    return PageTable(f"Difference in {report.measured}{report.metric.head_points}", head, rows)


def statistics_of(found: Difference) -> list[str]:
    """Return the bootstrap interval, the p-values, the difference that would have shown, and the seeds it takes."""
    versus, metric = found.versus, found.metric
    ends = [metric.signed(each) for each in finite((versus.bootstrap_low, versus.bootstrap_high))]
    bootstrap = f"[{', '.join(ends)}]" if len(ends) == 2 else NOTHING
    needed = NOTHING if versus.seeds_needed is None else f"{versus.seeds_needed:,}"
    p_values = [p_value(each) for each in (versus.p_holm, versus.p_permutation)]
    return [bootstrap, *p_values, metric.bare_size(versus.smallest), needed]
