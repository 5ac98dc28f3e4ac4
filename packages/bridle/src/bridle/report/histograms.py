"""The insides of the trained networks: weights and batch-norm gammas of each layer, one hill for each contender."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from bridle.report.averaging import Histogram, counted, edges_over, finite, mean_of, middle, rebinned, usable
from bridle.report.charts import Chart, Row, Table, Trace, axis, height_of, plain_text, rows_layout, translucent
from bridle.report.formats import NOTHING, fixed
from bridle.report.series_style import SeriesStyle, styles
from bridle.results import Contender, LayerSummary, Study

WEIGHT_BINS, GAMMA_BINS = 48, 24
HILL = 0.52  # of a row: the height of the highest bin
TAIL = 0.002  # the share of the weights that may lie outside the frame at each end
LAYERS = 12  # drawn; the table has all


@dataclass(frozen=True)
class Hills:
    """One histogram for each contender, on common edges."""

    subject: str
    edges: list[float]
    shares: list[list[float]]  # for each contender the share in each bin; nothing, or zeros, where it has none
    texts: list[str]


def layer_names(study: Study) -> list[str]:
    """The names of all layers, in the order in which they first come."""
    return list(dict.fromkeys(layer.name for each in study.contenders for run in each.runs for layer in run.layers))


def layers_of(contender: Contender, name: str) -> list[LayerSummary]:
    """Returns what became of the layer of that name in each run."""
    return [layer for run in contender.runs for layer in run.layers if layer.name == name]


def weight_charts(study: Study) -> list[Chart]:
    """The histogram of the weights in each layer, averaged over the runs."""
    charts = [weight_chart(study, name, place) for place, name in enumerate(layer_names(study)[:LAYERS])]
    return [chart for chart in charts if chart]


def gamma_charts(study: Study) -> list[Chart]:
    """The histogram of the gammas in each layer that a batch norm follows, over all runs."""
    charts = [gamma_chart(study, name, place) for place, name in enumerate(layer_names(study)[:LAYERS])]
    return [chart for chart in charts if chart]


def weight_chart(study: Study, name: str, place: int) -> Chart | None:
    """The weights of one layer; ``None`` where no run has a histogram of them."""
    by_contender = [
        [layer.weights for layer in layers_of(contender, name) if usable(layer.weights)]
        for contender in study.contenders
    ]
    if not any(by_contender):
        return None
    edges = frame(by_contender)
    norms = [mean_of(layer.weight_norm for layer in layers_of(each, name)) for each in study.contenders]
    hills = Hills(
        subject=f"Weights of {name}",
        edges=edges,
        shares=[averaged(histograms, edges) for histograms in by_contender],
        texts=[f"norm {size(norm)}" for norm in norms],
    )
    return hill_chart(study, f"weights-{place}", name, hills, weight_table(study, name))


def gamma_chart(study: Study, name: str, place: int) -> Chart | None:
    """The gammas behind one layer; ``None`` where no run has any."""
    by_contender = [gammas_of(contender, name) for contender in study.contenders]
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
    return hill_chart(study, f"gammas-{place}", name, hills, gamma_table(study, name))


def gammas_of(contender: Contender, name: str) -> list[float]:
    """The finite gammas behind a layer, of all runs."""
    return finite(gamma for layer in layers_of(contender, name) for gamma in layer.gammas or [])


def frame(by_contender: list[list[Histogram]]) -> list[float]:
    """Common edges that leave out at most ``TAIL`` of any contender's weights at either end."""
    ends = [ends_of(histogram) for histograms in by_contender for histogram in histograms]
    return edges_over(min(low for low, _ in ends), max(high for _, high in ends), WEIGHT_BINS)


def ends_of(histogram: Histogram) -> tuple[float, float]:
    """The edges between which all but the tails lie."""
    edges, counts = histogram["edges"], histogram["counts"]
    allowed = TAIL * math.fsum(counts)
    first = outermost(counts, allowed)
    last = len(counts) - outermost(counts[::-1], allowed)
    return edges[first], edges[last]


def outermost(counts: list[float], allowed: float) -> int:
    """Returns how many bins from the start hold no more than ``allowed`` together."""
    passed, place = counts[0], 0
    while passed <= allowed:
        place += 1
        passed += counts[place]
    return place


def averaged(histograms: list[Histogram], edges: list[float]) -> list[float]:
    """The mean share in each bin; nothing of nothing."""
    shares = [rebinned(histogram, edges) for histogram in histograms]
    return [math.fsum(column) / len(shares) for column in zip(*shares, strict=True)]


def hill_chart(study: Study, key: str, name: str, hills: Hills, table: Table) -> Chart:
    """A hill for each contender that has one, each as high as the others at its highest bin."""
    drawn = [
        (number, style, shares, text)
        for number, (style, shares, text) in enumerate(zip(styles(study), hills.shares, hills.texts, strict=True))
        if sum(shares) > 0
    ]
    rows = [Row(number, style, text) for number, style, _, text in drawn]
    traces = [
        hill_trace(number, style, height_of(place, len(drawn)), hills.edges, shares)
        for place, (number, style, shares, _) in enumerate(drawn)
    ]
    summary = f"{hills.subject}: " + ", ".join(f"{row.style.name} {row.text}" for row in rows) + "."
    x_axis = axis("", nticks=6, range=[hills.edges[0], hills.edges[-1]])
    return Chart(key, name, "", summary, traces, rows_layout(rows, x_axis, lowest=-0.36), table)


def hill_trace(number: int, style: SeriesStyle, y: float, edges: list[float], hill: list[float]) -> Trace:
    """The outline of a histogram, standing on its row."""
    foot, highest = y - 0.3, max(hill)
    heights = [foot + HILL * share / highest for share in hill]
    return {
        "type": "scatter",
        "mode": "lines",
        "meta": number,
        "name": plain_text(style.name),
        "x": [edges[0], *(edge for pair in pairwise(edges) for edge in pair), edges[-1]],
        "y": [foot, *(height for height in heights for _ in range(2)), foot],
        "fill": "toself",
        "fillcolor": translucent(style.color, 0.3),
        "line": {"color": style.color, "width": 1.2},
        "hoverinfo": "skip",
    }


def size(value: float) -> str:
    """A length with three significant digits."""
    if not math.isfinite(value) or value == 0:
        return NOTHING if not math.isfinite(value) else "0"
    return fixed(value, max(0, 2 - math.floor(math.log10(abs(value)))))


def weight_table(study: Study, name: str) -> Table:
    """The Euclidean norm of the layer's weights and their extremes, means over the runs."""
    rows = []
    for style, contender in zip(styles(study), study.contenders, strict=True):
        layers = layers_of(contender, name)
        edges = [layer.weights["edges"] for layer in layers if usable(layer.weights)]
        low, high = mean_of(each[0] for each in edges), mean_of(each[-1] for each in edges)
        norm = mean_of(layer.weight_norm for layer in layers)
        rows.append([style.name, size(norm), size(low), size(high)])
    return Table(f"Weights of {name}", ["Recipe", "Norm", "Least", "Greatest"], rows)


def gamma_table(study: Study, name: str) -> Table:
    """The least, the middle and the greatest gamma of all runs."""
    rows = []
    for style, contender in zip(styles(study), study.contenders, strict=True):
        gammas = gammas_of(contender, name)
        if gammas:
            rows.append([style.name, size(min(gammas)), size(middle(gammas)), size(max(gammas))])
    return Table(f"Gammas behind {name}", ["Recipe", "Least", "Median", "Greatest"], rows)
