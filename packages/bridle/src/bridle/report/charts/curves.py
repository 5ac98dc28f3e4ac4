"""Learning curves: the mean over the seeds, with a band of one standard deviation to each side."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bridle.report.averaging import finite
from bridle.report.charts.figure import Axis, Chart, PageTable, Trace, axis, base_layout, plain_text, translucent
from bridle.report.formats import MetricFormat, headed
from bridle.report.rows import ContenderRow, Report
from bridle.results import Contender, Run, Summary

__all__ = ["curve_charts"]

PANELS = ("train", "valid")
HEIGHT = 300
SETTLING = 0.25  # the part of the epochs, from the first, that may leave the frame of a score
WIDE = 8.0  # a loss whose largest value is this many times the smallest is drawn on a logarithmic axis
ROWS = 12  # of the table that stands for a chart


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
    """Draw loss and main metric, on the training and on the validation rows; what no run recorded is left out."""
    charts = []
    for metric in dict.fromkeys((MetricFormat("loss"), report.metric)):
        by_split = {split: curves_of(report, f"{split}_{metric.name}") for split in PANELS}
        frame = axis_of(metric, [curve for curves in by_split.values() for curve in curves])
        charts += [curve_chart(split, metric, curves, frame) for split, curves in by_split.items() if curves]
    return charts


def curves_of(report: Report, name: str) -> list[Curve]:
    """Return the curve of each contender that recorded it, over the runs that stayed finite."""
    curves = [mean_curve(row, name) for row in report.rows]
    return [curve for curve in curves if curve.epochs]


def steady(contender: Contender) -> list[Run]:
    """Return the runs that did not diverge; all of them where each did."""
    return [run for run in contender.runs if run.diverged_at is None] or contender.runs


def mean_curve(row: ContenderRow, name: str) -> Curve:
    """Return mean ± standard deviation at each epoch, over the steady runs that have a finite value there."""
    by_epoch: dict[float, list[float]] = {}
    for run in steady(row.contender):
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


def curve_chart(split: str, metric: MetricFormat, curves: list[Curve], frame: Axis) -> Chart:
    """Draw the curves of all contenders for one metric on one split."""
    title = headed(metric.label_on(split))
    layout = base_layout(HEIGHT)
    margin = {"l": 56, "r": 12, "t": 8, "b": 44}
    ends = ", ".join(f"{curve.row.name} {metric.shown(curve.mean[-1])}" for curve in curves)
    return Chart(
        key=f"curve-{split}-{metric.name}",
        title=title,
        note="",
        summary=f"{title} over the epochs; at the end {ends}.",
        traces=[*(band(c, metric, frame) for c in curves if c.runs > 1), *(line(c, metric) for c in curves)],
        layout={**layout, "margin": margin, "xaxis": axis("epoch", nticks=8), "yaxis": frame},
        table=curve_table(title, metric, curves),
    )


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


def axis_of(metric: MetricFormat, curves: list[Curve]) -> Axis:
    """Return one axis for the panels of a metric, so that training and validation can be compared by eye."""
    values = [value for curve in curves for value in framed_values(curve, metric)]
    if not values:
        return axis("")
    low, high = min(values), max(values)
    if metric.name == "loss" and low > 0 and high / low > WIDE:
        return logarithmic(low, high)
    pad = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    edges = [metric.scaled(low - pad), metric.scaled(high + pad)]
    return axis("", range=edges, nticks=6, ticksuffix=metric.suffix)


def framed_values(curve: Curve, metric: MetricFormat) -> list[float]:
    """Return the values to frame: of a score, not those of the first epochs, which would flatten the rest."""
    skipped = 0 if metric.name == "loss" else round(SETTLING * len(curve.epochs))
    ends = curve.mean[skipped:]
    return finite(ends if metric.name == "loss" else [*ends, *curve.low[skipped:], *curve.high[skipped:]])


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
    """Return the means at about a dozen epochs, the last among them."""
    epochs = sorted({epoch for curve in curves for epoch in curve.epochs})
    stride = -(-len(epochs) // ROWS)
    kept = sorted({*epochs[::stride], epochs[-1]})
    columns = [dict(zip(curve.epochs, curve.mean, strict=True)) for curve in curves]
    rows = [[f"{epoch:g}", *(metric.bare(column.get(epoch, math.nan)) for column in columns)] for epoch in kept]
    head = ["Epoch", *(curve.row.name for curve in curves)]
    return PageTable(f"{title}{metric.head_unit}, mean over the seeds", head, rows)
