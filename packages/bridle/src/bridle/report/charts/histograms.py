"""Charts of the weights and batch-norm gammas of each layer, one hill for each contender."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from bridle.report.averaging import Histogram, counted, edges_over, mean_of, middle, rebinned, usable
from bridle.report.charts.figure import (
    Chart,
    PageTable,
    RowLabel,
    Trace,
    axis,
    height_of,
    plain_text,
    rows_chart,
    translucent,
)
from bridle.report.formats import fixed, significant
from bridle.report.layers import gammas_of, layer_names, layers_of, mean_norm
from bridle.report.rows import ContenderRow, Report

__all__ = ["gamma_charts", "weight_charts"]

WEIGHT_BINS, GAMMA_BINS = 48, 24
HILL = 0.52  # of a row: the height of the highest bin
TAIL = 0.002  # the share of the weights that may lie outside the frame at each end
LAYERS = 12  # drawn; the table has all


@dataclass(frozen=True)
class Hills:
    """Histograms of all contenders on common edges."""

    subject: str
    edges: list[float]
    shares: list[list[float]]  # for each contender the share in each bin; nothing, or zeros, where it has none
    texts: list[str]


def weight_charts(report: Report) -> list[Chart]:
    """Draw the histogram of the weights in each layer, averaged over the runs."""
    charts = [weight_chart(report, name, place) for place, name in enumerate(layer_names(report.study)[:LAYERS])]
    return [chart for chart in charts if chart]


def gamma_charts(report: Report) -> list[Chart]:
    """Draw the histogram of the gammas in each layer that a batch norm follows, over all runs."""
    charts = [gamma_chart(report, name, place) for place, name in enumerate(layer_names(report.study)[:LAYERS])]
    return [chart for chart in charts if chart]


def weight_chart(report: Report, name: str, place: int) -> Chart | None:
    """Draw the weights of one layer; ``None`` where no run has a histogram of them."""
    by_contender = [
        [layer.weights for layer in layers_of(row.contender, name) if usable(layer.weights)] for row in report.rows
    ]
    if not any(by_contender):
        return None
    edges = frame(by_contender)
    hills = Hills(
        subject=f"Weights of {name}",
        edges=edges,
        shares=[mean_shares(histograms, edges) for histograms in by_contender],
        texts=[f"norm {significant(mean_norm(row.contender, name))}" for row in report.rows],
    )
    return hill_chart(report, f"weights-{place}", hills, weight_table(report, name))


def gamma_chart(report: Report, name: str, place: int) -> Chart | None:
    """Draw the gammas behind one layer; ``None`` where no run has any."""
    by_contender = [gammas_of(row.contender, name) for row in report.rows]
    everything = [gamma for gammas in by_contender for gamma in gammas]
    if not everything:
        return None
    edges = edges_over(min(everything), max(everything), GAMMA_BINS)
    hills = Hills(
        subject=f"Gammas behind {name}",
        edges=edges,
        shares=[counted(gammas, edges) for gammas in by_contender],
        texts=[f"median {fixed(middle(gammas), 2)}" for gammas in by_contender],
    )
    return hill_chart(report, f"gammas-{place}", hills, gamma_table(report, name))


def frame(by_contender: list[list[Histogram]]) -> list[float]:
    """Return common edges that leave out at most ``TAIL`` of any contender's weights at either end."""
    ends = [ends_of(histogram) for histograms in by_contender for histogram in histograms]
    return edges_over(min(low for low, _ in ends), max(high for _, high in ends), WEIGHT_BINS)


def ends_of(histogram: Histogram) -> tuple[float, float]:
    """Return the edges between which all but the tails lie."""
    edges, counts = histogram["edges"], histogram["counts"]
    allowed = TAIL * math.fsum(counts)
    first = outermost(counts, allowed)
    last = len(counts) - outermost(counts[::-1], allowed)
    return edges[first], edges[last]


def outermost(counts: list[float], allowed: float) -> int:
    """Count the bins from the start that hold no more than ``allowed`` together."""
    passed, place = counts[0], 0
    while passed <= allowed:
        place += 1
        passed += counts[place]
    return place


def mean_shares(histograms: list[Histogram], edges: list[float]) -> list[float]:
    """Average the share in each bin; no bins where there is no histogram."""
    shares = [rebinned(histogram, edges) for histogram in histograms]
    return [math.fsum(column) / len(shares) for column in zip(*shares, strict=True)]


def hill_chart(report: Report, key: str, hills: Hills, table: PageTable) -> Chart:
    """Draw a hill for each contender that has one, each as high as the others at its highest bin."""
    drawn = [
        (row, RowLabel(row.name, row.style.color, text), shares)
        for row, shares, text in zip(report.rows, hills.shares, hills.texts, strict=True)
        if sum(shares) > 0
    ]
    return rows_chart(
        key,
        hills.subject,
        "",
        labels=[label for _, label, _ in drawn],
        traces=[
            hill_trace(row, height_of(place, len(drawn)), hills.edges, shares)
            for place, (row, _, shares) in enumerate(drawn)
        ],
        x_axis=axis("", nticks=6, range=[hills.edges[0], hills.edges[-1]]),
        table=table,
        hill=True,
    )


def hill_trace(row: ContenderRow, y: float, edges: list[float], hill: list[float]) -> Trace:
    """Draw the outline of a histogram, standing on its row."""
    foot, highest = y - 0.3, max(hill)
    heights = [foot + HILL * share / highest for share in hill]
    return {
        "type": "scatter",
        "mode": "lines",
        "meta": row.number,
        "name": plain_text(row.name),
        "x": [edges[0], *(edge for pair in pairwise(edges) for edge in pair), edges[-1]],
        "y": [foot, *(height for height in heights for _ in range(2)), foot],
        "fill": "toself",
        "fillcolor": translucent(row.style.color, 0.3),
        "line": {"color": row.style.color, "width": 1.2},
        "hoverinfo": "skip",
    }


def weight_table(report: Report, name: str) -> PageTable:
    """Return the Euclidean norm of the layer's weights and their extremes, means over the runs."""
    rows = []
    for row in report.rows:
        edges = [layer.weights["edges"] for layer in layers_of(row.contender, name) if usable(layer.weights)]
        low, high = mean_of(each[0] for each in edges), mean_of(each[-1] for each in edges)
        rows.append([row.name, *map(significant, (mean_norm(row.contender, name), low, high))])
    return PageTable(f"Weights of {name}", ["Recipe", "Norm", "Least", "Greatest"], rows)


def gamma_table(report: Report, name: str) -> PageTable:
    """Return the least, the middle and the greatest gamma of all runs."""
    by_name = {row.name: gammas_of(row.contender, name) for row in report.rows}
    rows = [
        [contender, *(fixed(each, 2) for each in (min(gammas), middle(gammas), max(gammas)))]
        for contender, gammas in by_name.items()
        if gammas
    ]
    return PageTable(f"Gammas behind {name}", ["Recipe", "Least", "Median", "Greatest"], rows)
