"""The learning curves of a single run: training and validation in one chart, for the loss and each watched metric."""

from __future__ import annotations

from bridle.report.averaging import finite
from bridle.report.charts.figure import Chart, PageTable, Trace, axis, base_layout
from bridle.report.formats import NOTHING, MetricFormat, headed
from bridle.results import SPLIT_NAMES, Run

__all__ = ["SPLIT_COLORS", "run_curve_charts"]

HEIGHT = 300
SPLIT_COLORS = {"train": "#7d848e", "valid": "#0072b2"}
ROWS = 12  # of the table that stands for a chart


def run_curve_charts(run: Run) -> list[Chart]:
    """Draw the loss and each metric that was watched; what is finite nowhere is left out."""
    watched = dict.fromkeys(name.partition("_")[2] for name in run.curves if name.partition("_")[0] in SPLIT_COLORS)
    charts = [run_chart(run, MetricFormat(name)) for name in watched]
    return [chart for chart in charts if chart]


def run_chart(run: Run, metric: MetricFormat) -> Chart | None:
    """Draw one metric on both splits; the epoch whose weights were kept is marked."""
    found = {split: run.curves.get(f"{split}_{metric.name}", []) for split in SPLIT_COLORS}
    kept = {split: values for split, values in found.items() if finite(values)}
    if not kept:
        return None
    title = headed(metric.label)
    ends = ", ".join(f"{SPLIT_NAMES[split]} {metric.shown(finite(values)[-1])}" for split, values in kept.items())
    margin = {"l": 56, "r": 12, "t": 8, "b": 44}
    frame = axis("", nticks=6, ticksuffix=metric.suffix)
    return Chart(
        key=f"run-{metric.name}",
        title=title,
        note=""
        if run.best_epoch is None
        else f"The dotted line marks epoch {run.best_epoch}, whose weights were kept.",
        summary=f"{title} over the epochs; at the end {ends}.",
        traces=[line(run, split, metric, values) for split, values in kept.items()],
        layout={
            **base_layout(HEIGHT),
            "margin": margin,
            "xaxis": axis("epoch", nticks=8),
            "yaxis": frame,
            "shapes": [] if run.best_epoch is None else [upright(run.best_epoch)],
        },
        table=run_table(run, title, metric, kept),
    )


def line(run: Run, split: str, metric: MetricFormat, values: list[float]) -> Trace:
    """Draw one split; with markers where it is too short to be a line."""
    points = [(epoch, value) for epoch, value in zip(run.curves["epoch"], values, strict=True) if finite([value])]
    return {
        "type": "scatter",
        "mode": "lines" if len(points) > 2 else "lines+markers",
        "name": SPLIT_NAMES[split],
        "x": [epoch for epoch, _ in points],
        "y": [metric.scaled(value) for _, value in points],
        "line": {"color": SPLIT_COLORS[split], "width": 2},
        "text": [f"{SPLIT_NAMES[split]}: {metric.shown(value)}" for _, value in points],
        "hovertemplate": "epoch %{x}<br>%{text}<extra></extra>",
    }


def upright(epoch: int) -> dict[str, object]:
    """Draw a line at an epoch."""
    look = {"color": SPLIT_COLORS["train"], "width": 1.5, "dash": "dot"}
    return {"type": "line", "x0": epoch, "x1": epoch, "yref": "paper", "y0": 0, "y1": 1, "layer": "below", "line": look}


def run_table(run: Run, title: str, metric: MetricFormat, kept: dict[str, list[float]]) -> PageTable:
    """Return the values at about a dozen epochs, the last among them."""
    epochs = run.curves["epoch"]
    places = sorted({*range(0, len(epochs), -(-len(epochs) // ROWS)), len(epochs) - 1})
    rows = [[f"{epochs[at]:g}", *(metric.bare(values[at]) or NOTHING for values in kept.values())] for at in places]
    return PageTable(f"{title}{metric.head_unit}", ["Epoch", *(headed(SPLIT_NAMES[split]) for split in kept)], rows)
