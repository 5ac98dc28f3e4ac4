"""Charts with a row for each contender: every seed as a dot, the mean, and how far it may be off."""

from __future__ import annotations

from typing import Any

from bridle.report.averaging import finite, mean_of
from bridle.report.charts import Chart, Row, Table, Trace, axis, height_of, plain_text, rows_layout, translucent
from bridle.report.formats import (
    NOTHING,
    PERCENT,
    bare,
    fixed,
    headed,
    interval,
    label,
    points,
    scaled,
    shown,
    signed,
    spread,
)
from bridle.report.narrative import SPLIT_NAMES, main_split, measured
from bridle.report.series_style import SeriesStyle, styles
from bridle.report.tables import quoted_split
from bridle.results import Contender, Study, Summary, Versus

SEEDS_BELOW = 0.22  # of a row: how far the dots of the single seeds stand below the mean


def score_chart(study: Study, split: str, metric: str) -> Chart | None:
    """One metric on one split; ``None`` where no contender has it."""
    summaries = [contender.scores.get(split, {}).get(metric) for contender in study.contenders]
    if not any(summary and finite(summary.values) for summary in summaries):
        return None
    title = headed(f"{SPLIT_NAMES.get(split, split)} {label(metric)}")
    rows, traces = [], []
    for number, (style, summary) in enumerate(zip(styles(study), summaries, strict=True)):
        values = summary.values if summary else []
        rows.append(Row(number, style, shown(metric, mean_of(values)) + of_runs(values)))
        traces += score_traces(number, style, height_of(number, len(summaries)), metric, values)
    return Chart(
        key=f"score-{split}-{metric}",
        title=title,
        note="",
        summary=f"{title}: " + ", ".join(f"{row.style.name} {row.text}" for row in rows) + ".",
        traces=traces,
        layout=rows_layout(rows, {**score_axis(metric), **framed(traces)}),
        table=seeds_table(study, title, metric, [summary.values if summary else [] for summary in summaries]),
    )


def gap_chart(study: Study) -> Chart | None:
    """Training minus validation score of the main metric, run by run; ``None`` where no run has both."""
    gaps = [gaps_of(contender, study.metric) for contender in study.contenders]
    if not any(finite(values) for values in gaps):
        return None
    rows, traces = [], []
    for number, (style, values) in enumerate(zip(styles(study), gaps, strict=True)):
        text = points(study.metric, signed(study.metric, mean_of(values)))
        rows.append(Row(number, style, text + of_runs(values)))
        traces += score_traces(number, style, height_of(number, len(gaps)), study.metric, values)
    layout = rows_layout(rows, axis(difference_unit(study.metric), **framed(traces, 0.0)))
    return Chart(
        key="gap",
        title="Generalization gap",
        note=f"Training minus validation {label(study.metric)}, both measured in evaluation mode after the last epoch.",
        summary="Generalization gap: " + ", ".join(f"{row.style.name} {row.text}" for row in rows) + ".",
        traces=traces,
        layout={**layout, "shapes": [zero_line()]},
        table=seeds_table(study, "Generalization gap", study.metric, gaps),
    )


def gaps_of(contender: Contender, metric: str) -> list[float]:
    """Training minus validation score of each run."""
    scored = [run.scores for run in contender.runs]
    return [each["train"][metric] - each["valid"][metric] for each in scored if {"train", "valid"} <= set(each)]


def difference_chart(study: Study) -> Chart | None:
    """Each contender minus the baseline, paired by seed; ``None`` where nothing was paired."""
    compared = [
        (number, style, contender.versus_baseline)
        for number, (style, contender) in enumerate(zip(styles(study), study.contenders, strict=True))
        if contender.versus_baseline
    ]
    if not compared:
        return None
    metric = study.metric
    rows = [Row(number, style, points(metric, signed(metric, versus.difference))) for number, style, versus in compared]
    traces = []
    for place, (number, style, versus) in enumerate(compared):
        y = height_of(place, len(compared))
        traces += seed_dots(number, style, y, metric, versus.values)
        traces += bar(number, style, y, (scaled(metric, versus.low), scaled(metric, versus.high)))
        traces.append(mean_mark(number, style, y, scaled(metric, versus.difference), versus_hover(versus)))
    unit = f"{difference_unit(metric)} ({SPLIT_NAMES[main_split(study)]})"
    layout = rows_layout(rows, axis(unit, **framed(traces, 0.0)))
    return Chart(
        key="difference",
        title=f"Difference from {styles(study)[0].name}",
        note=f"{headed(SPLIT_NAMES[main_split(study)])} {label(metric)} minus the baseline's, seed by seed. The "
        "large mark is the mean over the seeds, the bar its 95 % confidence interval, the small dots are the seeds. A "
        "bar that crosses the line at zero: no difference shown.",
        summary="; ".join(f"{style.name} {versus.words}" for _, style, versus in compared) + ".",
        traces=traces,
        layout={**layout, "shapes": [zero_line()]},
        table=difference_table(study, [(style, versus) for _, style, versus in compared]),
    )


def score_traces(number: int, style: SeriesStyle, y: float, metric: str, values: list[float]) -> list[Trace]:
    """Seeds, mean ± standard deviation and mean of one contender, over the runs that are finite."""
    over = settled(values)
    if over is None:
        return []
    mean, sd = scaled(metric, over.mean), scaled(metric, over.sd)
    hover = f"{plain_text(style.name)}<br>{with_unit(metric, spread(metric, over))}"
    mark = mean_mark(number, style, y, mean, hover)
    if len(over.values) == 1:
        return [mark]
    return [*seed_dots(number, style, y, metric, values), *bar(number, style, y, (mean - sd, mean + sd)), mark]


def settled(values: list[float]) -> Summary | None:
    """Mean and spread of the finite values; ``None`` of nothing."""
    kept = finite(values)
    return Summary.of(kept) if kept else None


def of_runs(values: list[float]) -> str:
    """Returns how many of the runs a number is over, where some are not finite."""
    kept = len(finite(values))
    return f" ({kept} of {len(values)})" if 0 < kept < len(values) else ""


def seed_dots(number: int, style: SeriesStyle, y: float, metric: str, values: list[float]) -> list[Trace]:
    """Each seed's value, a little below the mean."""
    kept = finite(values)
    if not kept:
        return []
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "meta": number,
            "name": plain_text(style.name),
            "x": [scaled(metric, value) for value in kept],
            "y": [y - SEEDS_BELOW] * len(kept),
            "text": [f"one seed: {shown(metric, value)}" for value in kept],
            "hovertemplate": "%{text}<extra></extra>",
            "marker": {"color": translucent(style.color, 0.55), "size": 6, "symbol": "circle"},
        }
    ]


def bar(number: int, style: SeriesStyle, y: float, ends: tuple[float, float]) -> list[Trace]:
    """A thick line from end to end."""
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "meta": number,
            "x": list(ends),
            "y": [y, y],
            "line": {"color": translucent(style.color, 0.45), "width": 7},
            "hoverinfo": "skip",
        }
    ]


def mean_mark(number: int, style: SeriesStyle, y: float, x: float, hover: str) -> Trace:
    """The contender's own marker at its mean."""
    return {
        "type": "scatter",
        "mode": "markers",
        "meta": number,
        "x": [x],
        "y": [y],
        "text": [hover],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"color": style.color, "size": 12, "symbol": style.symbol},
    }


def versus_hover(versus: Versus) -> str:
    """The difference with its interval and verdict."""
    difference = points(versus.metric, signed(versus.metric, versus.difference))
    return f"{difference}<br>95 %: {interval(versus.metric, versus.low, versus.high)}<br>{plain_text(versus.verdict)}"


def framed(traces: list[Trace], *others: float) -> dict[str, Any]:
    """The range of an axis that leaves a little room beside all marks and ``others``."""
    values = [*others, *finite(value for trace in traces for value in trace["x"])]
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    return {"range": [low - room, high + room]}


def zero_line() -> dict[str, Any]:
    """The line of no difference."""
    line = {"color": "#7d848e", "width": 1.5, "dash": "dot"}
    return {"type": "line", "x0": 0, "x1": 0, "yref": "paper", "y0": 0, "y1": 1, "layer": "below", "line": line}


def score_axis(metric: str) -> dict[str, Any]:
    """An axis for a metric; fractions in percent."""
    return axis(label(metric), ticksuffix=" %" if metric in PERCENT else "", nticks=6)


def with_unit(metric: str, text: str) -> str:
    """``text`` with the unit of the metric itself."""
    return f"{text} %" if metric in PERCENT and text != NOTHING else text


def difference_unit(metric: str) -> str:
    """Returns what an axis of differences counts: points of a percentage, or the metric itself."""
    return f"points of {label(metric)}" if metric in PERCENT else label(metric)


def spread_note(study: Study) -> str:
    """Returns what the marks of a chart of scores are."""
    if len(study.seeds) == 1:
        return "The large marks are the scores of one seed, so there is no spread to show."
    diverged = any(contender.diverged for contender in study.contenders)
    left_out = " Runs that diverged are left out, and the number says how many are in it." if diverged else ""
    return (
        "Large marks are means over the seeds, bars one standard deviation to each side, small dots the seeds. "
        f"The scores to quote are those of the {SPLIT_NAMES[quoted_split(study)]} rows.{left_out}"
    )


def seeds_table(study: Study, caption: str, metric: str, values: list[list[float]]) -> Table:
    """One row for each contender: the mean, the standard deviation, and each run."""
    most = max((len(each) for each in values), default=0)
    head = ["Recipe", "Mean", "Sd", *(f"Run {number}" for number in range(1, most + 1))]
    unit = " (%)" if metric in PERCENT else ""
    rows = []
    for style, its in zip(styles(study), values, strict=True):
        over = settled(its)
        sd = fixed(scaled(metric, over.sd), 3) if over and len(over.values) > 1 else NOTHING
        cells = [bare(metric, value) for value in its] + [""] * (most - len(its))
        rows.append([style.name, bare(metric, mean_of(its)), sd, *cells])
    return Table(f"{caption}{unit}", head, rows)


def difference_table(study: Study, compared: list[tuple[SeriesStyle, Versus]]) -> Table:
    """Difference, interval, verdict, and what would have been seen."""
    metric = study.metric
    unit = " (points)" if metric in PERCENT else ""
    head = ["Recipe", "Difference", "95 % from", "to", "Verdict", "Smallest that would show"]
    rows = [
        [
            style.name,
            *(signed(metric, each) for each in (v.difference, v.low, v.high)),
            v.verdict,
            bare(metric, v.smallest),
        ]
        for style, v in compared
    ]
    return Table(f"Difference in {measured(study)}{unit}", head, rows)
