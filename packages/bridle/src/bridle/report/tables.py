"""The page's tables: all scores, the comparison with the baseline, dead units and weight norms of each layer."""

from __future__ import annotations

from dataclasses import dataclass

from bridle.report.averaging import mean_of
from bridle.report.charts.figure import PageTable
from bridle.report.formats import NOTHING, headed, mean_count, significant
from bridle.report.layers import layer_names, layers_of, mean_norm
from bridle.report.rows import ContenderRow, Report
from bridle.results import Contender

__all__ = ["dead_unit_table", "difference_rows", "norm_table", "score_table"]


@dataclass(frozen=True)
class DeadUnits:
    """The dead units of one contender in one layer: their mean number, and which share of the layer they are."""

    text: str
    share: float  # from 0 to 1


@dataclass(frozen=True)
class DeadUnitTable:
    """Dead units by contender and layer."""

    layers: list[str]
    rows: list[tuple[str, list[DeadUnits]]]  # the contender's name, and a cell for each layer


def score_table(report: Report) -> PageTable:
    """Return every metric on every split, one row for each contender."""
    pairs = [(split, metric) for metric in report.metrics for split in report.splits]
    head = ["Recipe", *(f"{headed(metric.label_on(split))}{metric.head_unit}" for split, metric in pairs)]
    rows = [[row.name, *(unbroken(row.score(*pair).spread) for pair in pairs)] for row in report.rows]
    return PageTable("All scores, mean ± standard deviation over the seeds", head, rows)


def unbroken(text: str) -> str:
    """Hold each ± to the number behind it, where a narrow column breaks the line."""
    return text.replace("± ", "±\N{NO-BREAK SPACE}")


def difference_rows(report: Report) -> PageTable:
    """Return the difference to the baseline, the gap, dead units and time, one row for each contender."""
    unit = report.metric.head_points
    head = ["Recipe", "Runs", f"Difference{unit}", "95 % interval", "Verdict"]
    head += [f"Gap{unit}", "Dead units", "Time of a run"]
    rows = [[row.name, row.runs, *difference_cells(row), row.gap, row.dead_units, row.seconds] for row in report.rows]
    return PageTable(f"Comparison with {report.study.baseline.name}, means over the seeds", head, rows)


def difference_cells(row: ContenderRow) -> list[str]:
    """Return difference, interval and verdict; dashes for the baseline."""
    found = row.difference
    return [found.mean, found.interval, found.versus.verdict] if found else [NOTHING] * 3


def dead_unit_table(report: Report) -> DeadUnitTable:
    """Return the dead units of each layer, one row for each contender."""
    runs = [run for row in report.rows for run in row.contender.runs]
    units = {layer.name: layer.units for run in runs for layer in run.layers}
    return DeadUnitTable(
        layers=[f"{name} (of {count})" for name, count in units.items()],
        rows=[
            (row.name, [dead_units(row.contender, name, count) for name, count in units.items()]) for row in report.rows
        ],
    )


def dead_units(contender: Contender, name: str, units: int) -> DeadUnits:
    """Average the dead units of a layer over the runs."""
    count = mean_of(layer.dead_units for layer in layers_of(contender, name))
    return DeadUnits(mean_count(count), round(count / units, 3) if count > 0 else 0.0)


def norm_table(report: Report) -> PageTable:
    """Return the Euclidean norm of each layer's weights, one row for each contender."""
    names = layer_names(report.study)
    rows = [[row.name, *(significant(mean_norm(row.contender, name)) for name in names)] for row in report.rows]
    return PageTable("Norm of the weights of each layer, mean over the seeds", ["Recipe", *names], rows)
