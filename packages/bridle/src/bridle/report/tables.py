"""The page's tables: all scores, and what became of each layer."""

from __future__ import annotations

import math
from typing import Any

from bridle.report.averaging import mean_of
from bridle.report.charts import Table
from bridle.report.formats import NOTHING, PERCENT, fixed, headed, interval, label, seconds, signed, spread
from bridle.report.histograms import layer_names, layers_of, size
from bridle.report.narrative import SPLIT_NAMES
from bridle.report.series_style import styles
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
    """One row for each contender: every metric on every split."""
    metrics, splits = metrics_of(study), splits_of(study)
    pairs = [(metric, split) for metric in metrics for split in splits]
    head = [
        "Recipe",
        *(headed(f"{SPLIT_NAMES[split]} {label(metric)}{percent(metric)}") for metric, split in pairs),
    ]
    rows = [
        [
            style.name,
            *(unbroken(spread(metric, contender.scores.get(split, {}).get(metric))) for metric, split in pairs),
        ]
        for style, contender in zip(styles(study), study.contenders, strict=True)
    ]
    return Table("All scores, mean ± standard deviation over the seeds", head, rows)


def unbroken(text: str) -> str:
    """``text`` with each ± held to the number behind it, where a narrow column breaks the line."""
    return text.replace("± ", "±\N{NO-BREAK SPACE}")


def comparison_rows(study: Study) -> Table:
    """One row for each contender: the difference to the baseline, the gap, what died, what it cost."""
    metric = study.metric
    head = ["Recipe", "Runs", f"Difference{in_points(metric)}", "95 % interval", "Verdict"]
    head += [f"Gap{in_points(metric)}", "Dead units", "Time of a run"]
    rows = []
    for style, contender in zip(styles(study), study.contenders, strict=True):
        ends = [signed(metric, contender.gap), dead(contender.dead_units), seconds(contender.seconds)]
        rows.append([style.name, runs_of(study, contender), *versus_cells(contender), *ends])
    return Table(f"Comparison with {study.baseline.name}, means over the seeds", head, rows)


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
    """Returns how many runs there are, of how many, and how many diverged."""
    done, wanted = len(contender.runs), len(study.seeds)
    count = str(done) if done == wanted else f"{done} of {wanted}"
    return f"{count}, {contender.diverged} diverged" if contender.diverged else count


def dead(value: float) -> str:
    """A mean count: whole where it is."""
    return fixed(value, 0 if math.isfinite(value) and value == int(value) else 1)


def dead_table(study: Study) -> dict[str, Any]:
    """Dead units by contender and layer.

    ``{layers: [text], rows: [{name, cells: [{text, share}]}]}``; ``share``, from 0 to 1, is the part of the layer.
    """
    units = {
        layer.name: layer.units for contender in study.contenders for run in contender.runs for layer in run.layers
    }
    rows = [
        {"name": style.name, "cells": [dead_cell(contender, name, units[name]) for name in layer_names(study)]}
        for style, contender in zip(styles(study), study.contenders, strict=True)
    ]
    return {"layers": [f"{name} (of {units[name]})" for name in layer_names(study)], "rows": rows}


def dead_cell(contender: Contender, name: str, units: int) -> dict[str, Any]:
    """The mean number of dead units in a layer, and which part of it that is."""
    count = mean_of(layer.dead_units for layer in layers_of(contender, name))
    return {"text": dead(count), "share": round(count / units, 3) if count > 0 else 0.0}


def norm_table(study: Study) -> Table:
    """The Euclidean norm of each layer's weights by contender."""
    names = layer_names(study)
    rows = [
        [style.name, *(size(mean_of(layer.weight_norm for layer in layers_of(contender, name))) for name in names)]
        for style, contender in zip(styles(study), study.contenders, strict=True)
    ]
    return Table("Norm of the weights of each layer, mean over the seeds", ["Recipe", *names], rows)
