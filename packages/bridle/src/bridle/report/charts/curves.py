"""Learning curves, the mean over the seeds with a band of one standard deviation; and scores by length of training."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bridle.metric_info import curve_metric
from bridle.report.averaging import finite, mean_of
from bridle.report.charts.dot_plots import narrow_axis
from bridle.report.charts.figure import (
    GREY,
    Axis,
    Chart,
    Layout,
    PageTable,
    Trace,
    axis,
    base_layout,
    level_line,
    plain_text,
    translucent,
)
from bridle.report.diagnosis import constant_reference
from bridle.report.formats import NOTHING, MetricFormat, headed
from bridle.report.rows import ContenderRow, Report
from bridle.results import Contender, Run, Summary

__all__ = ["curve_charts", "length_chart"]

PANELS = ("train", "valid")
HEIGHT = 250
MARGIN = {"l": 56, "r": 12, "t": 8, "b": 44}
SETTLING = 0.25  # the part of the epochs, from the first, that may leave the frame of a score
WIDE = 8.0  # a loss whose largest value is this many times the smallest is drawn on a logarithmic axis
COLUMNS = 5  # epochs in the table that stands for a chart
LOSS = "loss"  # what curves call the data loss of every task


@dataclass(frozen=True)
class Curve:
    """One contender's curve: for each epoch the mean over the runs and the band around it."""

    row: ContenderRow
    epochs: list[float]
    mean: list[float]
    low: list[float]
    high: list[float]
    runs: int


def curve_charts(report: Report) -> list[Chart]:
    """Draw the loss and the metric that is watched, on the training and on the validation rows, as far as recorded.

    Both panels of a metric share one axis, so that they can be compared by eye. Those of the loss do not: a training
    loss that goes towards zero would press the validation losses together.
    """
    charts = []
    for metric in dict.fromkeys((MetricFormat(LOSS), report.format(curve_metric(report.study.metric)))):
        by_split = {split: curves_of(report, f"{split}_{metric.name}") for split in PANELS}
        constants = {split: constant_score(report, split, metric) for split in PANELS}
        every = [curve for curves in by_split.values() for curve in curves]
        shared = axis_of(metric, every, finite(constants.values()))
        for split, curves in by_split.items():
            if curves:
                frame = axis_of(metric, curves, finite([constants[split]])) if metric.name == LOSS else shared
                charts.append(curve_chart(report, split, metric, curves, frame))
    return charts


def constant_score(report: Report, split: str, metric: MetricFormat) -> float:
    """Return the score of the constant answer by what a curve shows; nan where that is not known."""
    constant = constant_reference(report)
    classes = report.study.data.get("task") == "classification"
    name = "log_loss" if metric.name == LOSS and classes else metric.name
    return constant.score(split, MetricFormat(name)).summary.mean if constant else math.nan


def curves_of(report: Report, name: str) -> list[Curve]:
    """Return the curve of each contender that recorded it, over the runs that stayed finite."""
    curves = [mean_curve(row, name) for row in report.rows]
    return [curve for curve in curves if curve.epochs]


def steady(contender: Contender) -> list[Run]:
    """Return the runs that did not diverge; all of them where each did."""
    return [run for run in contender.runs if run.diverged_at is None] or contender.runs


def mean_curve(row: ContenderRow, name: str) -> Curve:
    """Return mean ± standard deviation at each epoch, over the steady runs that have a finite value there.

    Of runs that found different lengths those of the most common one are taken: the others had other schedules.
    """
    by_epoch: dict[float, list[float]] = {}
    for run in of_one_length(steady(row.contender)):
        for epoch, value in zip(run.curves.get("epoch", []), run.curves.get(name, []), strict=False):
            if math.isfinite(value) and math.isfinite(epoch):
                by_epoch.setdefault(epoch, []).append(value)
    epochs = sorted(by_epoch)
    summaries = [Summary.of(by_epoch[epoch]) for epoch in epochs]
    return Curve(
        row,
        epochs,
        mean=[each.mean for each in summaries],
        low=[each.mean - each.sd for each in summaries],
        high=[each.mean + each.sd for each in summaries],
        runs=max((len(each.values) for each in summaries), default=0),
    )


def of_one_length(runs: list[Run]) -> list[Run]:
    """Return the runs of the length that most of them found, the longer of two; all runs where lengths were fixed."""
    if not any(run.lengths for run in runs):
        return runs
    counts = Counter(run.epochs for run in runs)
    length = max(counts, key=lambda each: (counts[each], each))
    return [run for run in runs if run.epochs == length]


def curve_chart(report: Report, split: str, metric: MetricFormat, curves: list[Curve], frame: Axis) -> Chart:
    """Draw the curves of all contenders for one metric on one split, and the constant answer as a grey line."""
    title = headed(metric.label_on(split))
    ends = ", ".join(f"{curve.row.name} {metric.shown(curve.mean[-1])}" for curve in curves)
    return Chart(
        key=f"curve-{split}-{metric.name}",
        title=title,
        note=" ".join(filter(None, [axis_note(frame, metric), far_constant(report, split, metric, frame)])),
        summary=f"{title} over the epochs; at the end {ends}.",
        traces=[*(band(c, metric, frame) for c in curves if c.runs > 1), *(line(c, metric) for c in curves)],
        layout={
            **base_layout(HEIGHT),
            "margin": MARGIN,
            "xaxis": axis("epoch", nticks=8),
            "yaxis": frame,
            **constant_line(report, split, metric, frame),
        },
        table=curve_table(title, metric, curves),
    )


def constant_line(report: Report, split: str, metric: MetricFormat, frame: Axis) -> Layout:
    """Draw the score of the constant answer across the chart, where it lies within the frame."""
    constant, value = constant_reference(report), metric.scaled(constant_score(report, split, metric))
    low, high = frame.get("range", [math.inf, -math.inf])
    at = math.log10(value) if frame.get("type") == "log" and value > 0 else value
    if constant is None or not low <= at <= high:
        return {}
    label = {
        "text": constant.name,
        "xref": "paper",
        "x": 1,
        "xanchor": "right",
        "y": at,
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 11},
        "opacity": 0.72,
        "bgcolor": "rgba(255,255,255,0.8)",
    }
    return {"shapes": [level_line(value, along="x")], "annotations": [label]}


def far_constant(report: Report, split: str, metric: MetricFormat, frame: Axis) -> str:
    """Say the score of the constant answer where it lies beyond the axis."""
    constant, score = constant_reference(report), constant_score(report, split, metric)
    if constant is None or not math.isfinite(score) or constant_line(report, split, metric, frame):
        return ""
    return f"The {constant.name}, {metric.shown(score)}, lies beyond it."


def axis_note(frame: Axis, metric: MetricFormat) -> str:
    """Say that an axis is logarithmic or does not begin at zero."""
    if frame.get("type") == "log":
        return "The axis is logarithmic."
    return headed(narrow_axis(frame["range"], metric).strip(" ()")) + "." if narrow(frame, metric) else ""


def narrow(frame: Axis, metric: MetricFormat) -> bool:
    """Return whether an axis leaves out zero."""
    return bool(frame.get("range")) and bool(narrow_axis(frame["range"], metric))


def band(curve: Curve, metric: MetricFormat, frame: Axis) -> Trace:
    """Draw mean ± standard deviation as an area; on a logarithmic axis it ends at the axis's own lower edge."""
    floor = 10 ** frame["range"][0] if frame.get("type") == "log" else -math.inf
    outline = [*curve.high, *(max(low, floor) for low in reversed(curve.low))]
    return {
        "type": "scatter",
        "mode": "lines",
        "meta": curve.row.number,
        "x": [*curve.epochs, *reversed(curve.epochs)],
        "y": [metric.scaled(value) for value in outline],
        "fill": "toself",
        "fillcolor": translucent(curve.row.style.color, 0.16),
        "line": {"width": 0, "color": curve.row.style.color},
        "hoverinfo": "skip",
    }


def line(curve: Curve, metric: MetricFormat) -> Trace:
    """Draw the mean; with markers where it is too short to be a line."""
    return {
        "type": "scatter",
        "mode": "lines" if len(curve.epochs) > 2 else "lines+markers",
        "meta": curve.row.number,
        "name": plain_text(curve.row.name),
        "x": curve.epochs,
        "y": [metric.scaled(value) for value in curve.mean],
        "line": {"color": curve.row.style.color, "dash": curve.row.style.dash, "width": 2},
        "text": [f"{plain_text(curve.row.name)}: {metric.shown(value)}" for value in curve.mean],
        "hovertemplate": "epoch %{x}<br>%{text}<extra></extra>",
    }


def axis_of(metric: MetricFormat, curves: list[Curve], constants: Sequence[float] = ()) -> Axis:
    """Return the axis that frames these curves, and constant answers that are not far off."""
    values = [value for curve in curves for value in framed_values(curve, metric)]
    if not values:
        return axis("")
    reach = max(values) - min(values)
    values += [each for each in constants if min(values) - reach <= each <= max(values) + reach]
    low, high = min(values), max(values)
    if metric.name == LOSS and low > 0 and high / low > WIDE:
        return logarithmic(low, high)
    pad = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    edges = [metric.scaled(low - pad), metric.scaled(high + pad)]
    return axis("", range=edges, nticks=6, ticksuffix=metric.suffix)


def framed_values(curve: Curve, metric: MetricFormat) -> list[float]:
    """Return the values to frame: of a score, not those of the first epochs, which would flatten the rest."""
    skipped = 0 if metric.name == LOSS else round(SETTLING * len(curve.epochs))
    ends = curve.mean[skipped:]
    return finite(ends if metric.name == LOSS else [*ends, *curve.low[skipped:], *curve.high[skipped:]])


def logarithmic(low: float, high: float) -> Axis:
    """Return an axis for positive values over several powers of ten, marked at 1, 2 and 5."""
    edges = [math.log10(low) - 0.08, math.log10(high) + 0.08]
    powers = range(math.floor(edges[0]), math.ceil(edges[1]) + 1)
    steps = (1, 2, 5) if edges[1] - edges[0] < 3 else (1,)
    ticks = [
        step * 10.0**power for power in powers for step in steps if edges[0] <= math.log10(step) + power <= edges[1]
    ]
    return axis("", type="log", range=edges, tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])


def curve_table(title: str, metric: MetricFormat, curves: list[Curve]) -> PageTable:
    """Return the means at a few epochs, the last among them, one row for each contender."""
    epochs = sorted({epoch for curve in curves for epoch in curve.epochs})
    kept = spread_over(epochs)
    columns = [dict(zip(curve.epochs, curve.mean, strict=True)) for curve in curves]
    rows = [
        [curve.row.name, *(metric.bare(column.get(epoch, math.nan)) for epoch in kept)]
        for curve, column in zip(curves, columns, strict=True)
    ]
    head = ["Recipe", *(f"Epoch {epoch:g}" for epoch in kept)]
    return PageTable(f"{title}{metric.head_unit}, mean over the seeds", head, rows)


def spread_over(epochs: list[float]) -> list[float]:
    """Return a few epochs spread over all, the first and the last among them.

    >>> spread_over([1, 2, 3, 4, 5, 6, 7, 8, 9]), spread_over([1, 2])
    ([1, 3, 5, 7, 9], [1, 2])
    """
    last = len(epochs) - 1
    return [epochs[place] for place in sorted({round(last * number / (COLUMNS - 1)) for number in range(COLUMNS)})]


def length_chart(report: Report) -> Chart | None:
    """Draw the validation score by the number of epochs that was tried; ``None`` where lengths were not open.

    The grey line is what the baseline would have after the last epoch: what lies between is early stopping's gain.
    """
    metric = report.metric
    by_row = [(row, scores_by_length(row.contender, last=False)) for row in report.rows]
    drawn = [(row, scores) for row, scores in by_row if scores]
    if not drawn:
        return None
    unstopped = scores_by_length(report.baseline.contender, last=True)
    title = f"{headed(metric.label_on('valid'))} by length of training"
    traces = [length_trace(row, metric, scores) for row, scores in drawn]
    if unstopped:
        traces.append(unstopped_trace(report.baseline, metric, unstopped))
    lengths = sorted({epochs for _, scores in drawn for epochs in scores})
    values = finite(value for trace in traces for value in trace["y"])
    pad = 0.06 * (max(values) - min(values)) or 0.05
    frame = axis("", range=[min(values) - pad, max(values) + pad], nticks=6, ticksuffix=metric.suffix)
    ends = ", ".join(f"{row.name} {metric.shown(scores[max(scores)])} at {max(scores)}" for row, scores in drawn)
    edges = [math.log10(lengths[0]) - 0.06, math.log10(lengths[-1]) + 0.06]
    ticks = axis(
        "epochs", type="log", range=edges, tickvals=[float(each) for each in lengths], ticktext=list(map(str, lengths))
    )
    return Chart(
        key="lengths",
        title=title,
        note="Each length is trained from the start with its own schedule, and its best epoch is kept; the grey line "
        f"is {report.baseline.spoken} after its last epoch, without early stopping. {axis_note(frame, metric)}".strip(),
        summary=f"{title}; at the longest that was tried {ends}.",
        traces=traces,
        layout={**base_layout(HEIGHT), "margin": MARGIN, "xaxis": ticks, "yaxis": frame},
        table=length_table(title, metric, drawn, unstopped),
    )


def scores_by_length(contender: Contender, *, last: bool) -> dict[int, float]:
    """Return the mean score at each length that every run has tried: of the best epoch, or of the last one."""
    runs = [run for run in steady(contender) if run.lengths]
    found: dict[int, list[float]] = {}
    for run in runs:
        for each in run.lengths:
            found.setdefault(each.epochs, []).append(each.last_score if last else each.score)
    means = {epochs: mean_of(scores) for epochs, scores in sorted(found.items()) if len(scores) == len(runs)}
    return {epochs: mean for epochs, mean in means.items() if math.isfinite(mean)}


def length_trace(row: ContenderRow, metric: MetricFormat, scores: dict[int, float]) -> Trace:
    """Draw one contender's scores by length."""
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "meta": row.number,
        "name": plain_text(row.name),
        "x": [float(epochs) for epochs in scores],
        "y": [metric.scaled(value) for value in scores.values()],
        "line": {"color": row.style.color, "dash": row.style.dash, "width": 2},
        "marker": {"color": row.style.color, "size": 7, "symbol": row.style.symbol},
        "text": [f"{plain_text(row.name)}: {metric.shown(value)}" for value in scores.values()],
        "hovertemplate": "%{x} epochs<br>%{text}<extra></extra>",
    }


def unstopped_trace(row: ContenderRow, metric: MetricFormat, scores: dict[int, float]) -> Trace:
    """Draw what there would be without early stopping, as a grey line."""
    return {
        "type": "scatter",
        "mode": "lines",
        "meta": row.number,
        "x": [float(epochs) for epochs in scores],
        "y": [metric.scaled(value) for value in scores.values()],
        "line": {"color": GREY, "dash": "dot", "width": 1.5},
        "text": [f"without early stopping: {metric.shown(value)}" for value in scores.values()],
        "hovertemplate": "%{x} epochs<br>%{text}<extra></extra>",
    }


def length_table(
    title: str,
    metric: MetricFormat,
    drawn: Sequence[tuple[ContenderRow, dict[int, float]]],
    unstopped: dict[int, float],
) -> PageTable:
    """Return the scores by length, one row for each contender, and the grey line's."""
    lengths = sorted({epochs for _, scores in drawn for epochs in scores})
    named = [*((row.name, scores) for row, scores in drawn), ("without early stopping", unstopped)]
    rows = [
        [name, *(metric.bare(scores[epochs]) if epochs in scores else NOTHING for epochs in lengths)]
        for name, scores in named
        if scores
    ]
    head = ["Recipe", *(f"{epochs} epochs" for epochs in lengths)]
    styles = [""] * len(drawn) + ["reference"] * (len(rows) - len(drawn))
    return PageTable(f"{title}{metric.head_unit}, mean over the seeds", head, rows, styles=styles)
