"""The page's tables: all scores, and what became of each layer."""

from __future__ import annotations

import math
from typing import Any

from bridle.report.averages import mean_of
from bridle.report.charts import Table
from bridle.report.formats import NOTHING, PERCENT, fixed, interval, label, seconds, signed, spread
from bridle.report.histograms import layer_names, layers_of, size
from bridle.report.looks import looks
from bridle.report.words import SPLIT_NAMES
from bridle.results import SPLITS, Contender, Study

FIRST = ("accuracy", "r2", "rmse", "loss", "calibration_error")  # the order of columns; others follow


def metrics_of(study: Study) -> list[str]:
    """All metrics that some contender has, in the order of ``FIRST``."""
    there = {metric for each in study.contenders for metrics in each.scores.values() for metric in metrics}
    return [*(metric for metric in FIRST if metric in there), *sorted(there - set(FIRST))]


def splits_of(study: Study) -> list[str]:
    """The splits that some contender was scored on."""
    return [split for split in SPLITS if any(split in each.scores for each in study.contenders)]


def quoted_split(study: Study) -> str:
    """The last of train, valid and test that was scored: the one whose numbers are quoted."""
    return (splits_of(study) or ["valid"])[-1]


def score_table(study: Study) -> Table:
    """One row for each contender: the comparison, then every metric on every split, then what it cost."""
    metrics, splits = metrics_of(study), splits_of(study)
    pairs = [(metric, split) for metric in metrics for split in splits]
    head = ["Recipe", "Runs", f"Difference{in_points(study.metric)}", "95 % interval", "Verdict"]
    head += [f"{SPLIT_NAMES[split]} {label(metric)}{percent(metric)}".capitalize() for metric, split in pairs]
    head += [f"Gap{in_points(study.metric)}", "Dead units", "Time of a run"]
    rows = []
    for look, contender in zip(looks(study), study.contenders, strict=True):
        scores = [spread(metric, contender.scores.get(split, {}).get(metric)) for metric, split in pairs]
        ends = [signed(study.metric, contender.gap), dead(contender.dead_units), seconds(contender.seconds)]
        rows.append([look.name, runs_of(study, contender), *versus_cells(contender), *scores, *ends])
    return Table("All scores: mean ± standard deviation over the seeds", head, rows)


def percent(metric: str) -> str:
    """The unit of a metric for the head of a column."""
    return " (%)" if metric in PERCENT else ""


def in_points(metric: str) -> str:
    """The unit of a difference for the head of a column."""
    return " (points)" if metric in PERCENT else ""


def versus_cells(contender: Contender) -> list[str]:
    """Difference, interval and verdict; dashes for the baseline."""
    versus = contender.versus_baseline
    if not versus:
        return [NOTHING] * 3
    ends = interval(versus.metric, versus.low, versus.high)
    return [signed(versus.metric, versus.difference), ends, versus.verdict]


def runs_of(study: Study, contender: Contender) -> str:
    """How many runs there are, of how many, and how many diverged."""
    done, wanted = len(contender.runs), len(study.seeds)
    count = str(done) if done == wanted else f"{done} of {wanted}"
    return f"{count}, {contender.diverged} diverged" if contender.diverged else count


def dead(value: float) -> str:
    """A mean count: whole where it is."""
    return fixed(value, 0 if math.isfinite(value) and value == int(value) else 1)


def layer_table(study: Study) -> list[dict[str, Any]]:
    """Dead units of each layer by contender: ``{name, units, cells: [{text, share}]}``, ``share`` from 0 to 1."""
    return [layer_row(study, name) for name in layer_names(study)]


def layer_row(study: Study, name: str) -> dict[str, Any]:
    """One layer: the mean number of dead units, and which part of the layer that is."""
    found = [layers_of(contender, name) for contender in study.contenders]
    units = max(layer.units for layers in found for layer in layers)
    counts = [mean_of(layer.dead_units for layer in layers) for layers in found]
    cells = [{"text": dead(count), "share": round(count / units, 3) if count > 0 else 0.0} for count in counts]
    return {"name": name, "units": units, "cells": cells}


def norm_table(study: Study) -> Table:
    """The Euclidean norm of each layer's weights by contender."""
    rows = [
        [name, *(size(mean_of(layer.weight_norm for layer in layers_of(each, name))) for each in study.contenders)]
        for name in layer_names(study)
    ]
    return Table("Norm of the weights, mean over the seeds", ["Layer", *(look.name for look in looks(study))], rows)
