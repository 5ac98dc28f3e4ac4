"""What tuning tried: for each contender its score against each of its strengths, one dot for each trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bridle.errors import InputError
from bridle.report.averaging import finite, middle
from bridle.report.charts.figure import (
    Axis,
    Chart,
    PageTable,
    Trace,
    axis,
    base_layout,
    level_line,
    plain_text,
    translucent,
)
from bridle.report.formats import MetricFormat, headed
from bridle.report.rows import ContenderRow, Report
from bridle.results import Trial
from bridle.serialization import parse_terms

__all__ = ["strength_charts", "strength_note"]

HEIGHT = 210
MARGIN = {"l": 56, "r": 12, "t": 8, "b": 44}
KNOBS = 2  # strengths of one contender that get a chart each
SPREAD_OF_LOG = 8.0  # values whose largest is this many times the smallest stand on a logarithmic axis
WORST = 4.0  # times the distance of the middle trial from the best: worse ones are drawn at the edge
FEW_TICKS = 4  # values that are few enough to be marked themselves
TICK_ROOM = 0.22  # of the axis: the room of a number under it
FAINTEST = 0.25  # opacity of the lowest learning rate
PALE, RING = 7, 15  # pixels of a trial that left early, and of the ring around the chosen one
LEARNING_RATE = "learning rate"


@dataclass(frozen=True)
class Dot:
    """One trial in a chart: where it stands, and how it came off."""

    trial: Trial
    x: float
    score: float  # its best over the rungs, by which it was judged
    chosen: bool


def strength_charts(report: Report) -> list[Chart]:
    """Draw the trials of each tuned contender, all scores on one axis; none where nothing was tuned."""
    tuned = [row for row in report.rows if row.contender.trials]
    scores = finite(best_score(report, trial) for row in tuned for trial in row.contender.trials)
    if not scores:
        return []
    frame = score_frame(report, scores)
    rates = sorted({trial.lr for row in tuned for trial in row.contender.trials})
    base = finite(best_score(report, trial) for trial in report.baseline.contender.trials)
    level = (max(base) if report.study.higher_is_better else min(base)) if base else math.nan
    return [
        strength_chart(report, row, knob, frame=frame, rates=rates, level=level)
        for row in tuned
        for knob in (varied_knobs(row.contender.trials)[:KNOBS] or [LEARNING_RATE])
    ]


def strength_note(report: Report) -> str:
    """Explain the marks of these charts."""
    rates = sorted({trial.lr for row in report.rows for trial in row.contender.trials})
    if not rates:
        return ""
    among = f"{rates[0]:g} to {rates[-1]:g}" if len(rates) > 1 else f"{rates[0]:g}"
    folds = report.study.tuning.get("folds")
    on = f"the mean over {folds} folds" if isinstance(folds, int) and folds > 1 else "on a part"
    return (
        f"Each dot is a trial: its {report.metric.label}, {on} of the training rows, under seeds that are not used "
        f"again. The fuller a dot's colour, the higher its learning rate ({among}); small dots left early; the ring is "
        f"the chosen one. The grey line is the best trial of {report.baseline.spoken}. All charts share one axis of "
        "scores; triangles at its edge lie beyond it."
    )


def best_score(report: Report, trial: Trial) -> float:
    """Return the best score of a trial over the rungs that it reached; nan where none is finite."""
    scores = finite(trial.scores)
    if not scores:
        return math.nan
    return max(scores) if report.study.higher_is_better else min(scores)


def score_frame(report: Report, scores: Sequence[float]) -> list[float]:
    """Return the range of scores: from the best one to the bad ones, but not to the worst."""
    best, worst = max(scores), min(scores)
    if not report.study.higher_is_better:
        best, worst = worst, best
    typical = middle(scores) - best
    far = best + WORST * typical
    edge = far if abs(typical) > 0 and abs(far - best) < abs(worst - best) else worst
    pad = 0.08 * abs(edge - best) or 0.05 * abs(best) or 0.05
    low, high = sorted((best, edge))
    return [report.metric.scaled(low - pad), report.metric.scaled(high + pad)]


def strength_chart(
    report: Report, row: ContenderRow, knob: str, *, frame: list[float], rates: list[float], level: float
) -> Chart:
    """Draw the trials of one contender against one of its strengths."""
    metric, trials = report.metric, row.contender.trials
    dots = dots_of(report, row, knob)
    y_axis = axis("", range=frame, nticks=5, ticksuffix=metric.suffix)
    chosen = next((dot for dot in dots if dot.chosen), None)
    tells = f"chosen: {knob} {chosen.x:g}, {metric.shown(chosen.score)}" if chosen else "none is chosen"
    lines = [level_line(metric.scaled(level), along="x")] if math.isfinite(level) else []
    return Chart(
        key=f"strength-{row.number}-{knob.replace(' ', '-')}",
        title=row.name,
        note="",
        summary=f"{len(trials)} trials of {row.name}, {metric.label} against {knob}; {tells}.",
        traces=[*([ring(row, chosen, metric, frame)] if chosen else []), trial_trace(row, dots, metric, frame, rates)],
        layout={
            **base_layout(HEIGHT),
            "margin": MARGIN,
            "xaxis": value_axis(knob, dots),
            "yaxis": y_axis,
            "shapes": lines,
        },
        table=trial_table(report, row),
    )


def dots_of(report: Report, row: ContenderRow, knob: str) -> list[Dot]:
    """Return the trials that have a score and a value of the knob."""
    contender = row.contender
    found: list[Dot] = []
    for trial in contender.trials:
        x = trial.lr if knob == LEARNING_RATE else values_of(trial.recipe).get(knob, math.nan)
        chosen = (trial.recipe, trial.lr) == (contender.name, contender.lr) and not any(dot.chosen for dot in found)
        found.append(Dot(trial, x, best_score(report, trial), chosen))
    return [dot for dot in found if math.isfinite(dot.x) and math.isfinite(dot.score)]


def values_of(recipe: str) -> dict[str, float]:
    """Return the numbers of a recipe by regularizer and knob; nothing of a text that is no recipe.

    >>> values_of("Dropout(rate=0.2, at='input') + L2(strength=0.01)"), values_of("none"), values_of("2 +")
    ({'Dropout rate': 0.2, 'L2 strength': 0.01}, {}, {})
    """
    try:
        terms = [
            (term, term.settings([str(each.arg) for each in term.call.keywords]))
            for term in parse_terms(recipe)
            if term.call
        ]
    except InputError:
        return {}
    found: dict[str, float] = {}
    for number, (term, settings) in enumerate(terms, start=1):
        for knob, value in settings.items():
            if isinstance(value, int | float):
                name = f"{term.name} {knob}"
                found[name if name not in found else f"{name} ({number})"] = float(value)
    return found


def varied_knobs(trials: Sequence[Trial]) -> list[str]:
    """Return the knobs whose values differ between trials, in the order of the recipe."""
    found = [values_of(trial.recipe) for trial in trials]
    names = dict.fromkeys(name for values in found for name in values)
    return [name for name in names if len({values.get(name) for values in found}) > 1]


def value_axis(knob: str, dots: Sequence[Dot]) -> Axis:
    """Return the axis of a knob: logarithmic where its values lie powers of ten apart."""
    values = [dot.x for dot in dots]
    if not values:
        return axis(knob)
    low, high = min(values), max(values)
    if low > 0 and high / low > SPREAD_OF_LOG:
        edges = [math.log10(low) - 0.15, math.log10(high) + 0.15]
        powers = [10.0**power for power in range(math.ceil(edges[0]), math.floor(edges[1]) + 1)]
        ticks = powers if len(powers) > 1 and len(set(values)) > FEW_TICKS else apart(sorted(set(values)), edges)
        return axis(knob, type="log", range=edges, tickvals=ticks, ticktext=[f"{tick:.2g}" for tick in ticks])
    pad = 0.08 * (high - low) or 0.1 * abs(high) or 0.1
    return axis(knob, range=[low - pad, high + pad], nticks=5)


def apart(values: Sequence[float], edges: Sequence[float]) -> list[float]:
    """Return the values that can be marked on a logarithmic axis without running into each other, from the first.

    >>> apart([0.1, 1.0, 1.5, 5.6], [-1.15, 0.9])
    [0.1, 1.0, 5.6]
    """
    kept = [values[0]]
    for value in values[1:]:
        if math.log10(value / kept[-1]) > TICK_ROOM * (edges[1] - edges[0]):
            kept.append(value)
    return kept


def trial_trace(
    row: ContenderRow, dots: Sequence[Dot], metric: MetricFormat, frame: list[float], rates: list[float]
) -> Trace:
    """Draw the trials: darker at higher learning rates, smaller where they left early."""
    most = max((dot.trial.epochs for dot in dots), default=0)
    return {
        "type": "scatter",
        "mode": "markers",
        "meta": row.number,
        "name": plain_text(row.name),
        "x": [dot.x for dot in dots],
        "y": [placed(dot, metric, frame) for dot in dots],
        "text": [told(dot, metric) for dot in dots],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "color": [translucent(row.style.color, shade(dot.trial.lr, rates)) for dot in dots],
            "size": [9 if dot.trial.epochs == most else PALE for dot in dots],
            "symbol": [symbol(dot, metric, frame) for dot in dots],
            "line": {"color": row.style.color, "width": 1},
        },
    }


def ring(row: ContenderRow, chosen: Dot, metric: MetricFormat, frame: list[float]) -> Trace:
    """Draw the ring around the chosen trial."""
    return {
        "type": "scatter",
        "mode": "markers",
        "meta": row.number,
        "x": [chosen.x],
        "y": [placed(chosen, metric, frame)],
        "hoverinfo": "skip",
        "marker": {
            "color": row.style.color,
            "size": RING,
            "symbol": "circle-open",
            "line": {"color": row.style.color, "width": 2},
        },
    }


def placed(dot: Dot, metric: MetricFormat, frame: list[float]) -> float:
    """Return where a score is drawn: at the edge where it lies beyond the frame."""
    low, high = frame
    room = 0.03 * (high - low)
    return min(max(metric.scaled(dot.score), low + room), high - room)


def symbol(dot: Dot, metric: MetricFormat, frame: list[float]) -> str:
    """Return the mark of a trial: a triangle that points beyond the frame where it lies there."""
    value = metric.scaled(dot.score)
    return "triangle-up" if value > frame[1] else "triangle-down" if value < frame[0] else "circle"


def shade(lr: float, rates: Sequence[float]) -> float:
    """Return the opacity that stands for a learning rate.

    >>> shade(0.1, [0.1, 0.2, 0.4]), shade(0.4, [0.1, 0.2, 0.4]), shade(0.1, [0.1])
    (0.25, 1.0, 1.0)
    """
    if len(rates) < 2:
        return 1.0
    return FAINTEST + (1 - FAINTEST) * list(rates).index(lr) / (len(rates) - 1)


def told(dot: Dot, metric: MetricFormat) -> str:
    """Tell a trial in a few lines: its recipe, learning rate, epochs and score."""
    trial = dot.trial
    rate = f"learning rate {trial.lr:g}, {trial.epochs} epochs"
    return f"{plain_text(trial.recipe)}<br>{rate}<br>{metric.label} {metric.shown(dot.score)}"


def trial_table(report: Report, row: ContenderRow) -> PageTable:
    """Return the trials of a contender, the best first."""
    sign = -1 if report.study.higher_is_better else 1
    scored = [(best_score(report, trial), trial) for trial in row.contender.trials]
    ordered = sorted(scored, key=lambda pair: (not math.isfinite(pair[0]), sign * pair[0]))
    rows = [[trial.recipe, f"{trial.lr:g}", str(trial.epochs), report.metric.bare(score)] for score, trial in ordered]
    head = ["Trial", headed(LEARNING_RATE), "Epochs", f"{headed(report.metric.label)}{report.metric.head_unit}"]
    return PageTable(f"Trials of {row.name}", head, rows)
