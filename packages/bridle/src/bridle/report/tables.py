"""The page's tables: the comparison with the baseline, all scores, dead units and weight norms of each layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridle.report.averaging import mean_of
from bridle.report.charts.figure import PageTable
from bridle.report.formats import NOTHING, headed, mean_count, significant
from bridle.report.layers import layer_names, layers_of, mean_norm
from bridle.report.rows import ContenderRow, ReferenceRow, Report
from bridle.results import Contender

__all__ = ["comparison_rows", "dead_unit_tables", "norm_tables", "score_tables"]

MOST_COLUMNS = 8  # of numbers beside the recipes: as many as fit into the page


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


def comparison_rows(report: Report) -> PageTable:
    """Return verdict, difference, scores, gap, dead units and time, one row for each contender and reference."""
    main, beside, unit = report.metric, report.beside, report.metric.head_points
    scored = [(split, main) for split in report.splits if split != "train"]
    scored += [(report.quoted_split, beside)] if beside else []
    one = len(report.study.seeds) == 1
    partial = not all(row.whole for row in report.rows)
    tuned = any(row.contender.lr is not None for row in report.rows)
    head = ["Recipe", "Verdict", *(["Runs"] if partial else []), f"Difference{unit}", "95 % interval"]
    head += [f"{headed(metric.label_on(split))}{metric.head_unit}" for split, metric in scored]
    head += [f"Gap{unit}", "Dead units", *(["Learning rate"] if tuned else []), "Time of a run"]
    rows = []
    for row in report.rows:
        found, lr = row.difference, row.contender.lr
        rows.append(
            [
                row.name,
                row.verdict,
                *([row.runs] if partial else []),
                *([found.mean, found.interval] if found else [NOTHING] * 2),
                *(row.score(split, metric).mean for split, metric in scored),
                row.gap,
                row.dead_units,
                *([NOTHING if lr is None else f"{lr:g}"] if tuned else []),
                row.seconds,
            ]
        )
    for reference in report.references:
        scores = [reference.score(split, metric).mean for split, metric in scored]
        empty = [""] * (2 + partial)
        rows.append([reference.name, "reference", *empty, *scores, "", "", *([""] if tuned else []), reference.seconds])
    return PageTable(
        f"Comparison with {report.baseline.spoken}, {'one seed' if one else f'means over {report.seeds}'}",
        head,
        rows,
        anchors=[*(row.anchor for row in report.rows), *(row.anchor for row in report.references)],
        styles=[*(row.verdict_style.css for row in report.rows), *("reference" for _ in report.references)],
    )


def means(report: Report) -> str:
    """Say what the scores of a table are."""
    return "one seed" if len(report.study.seeds) == 1 else f"mean ± standard deviation over {report.seeds}"


def score_tables(report: Report) -> list[PageTable]:
    """Return every metric, a table for each split with a row for each contender and each reference."""
    return [
        each
        for split in reversed(report.splits)
        for each in in_blocks(score_table(report, split), most=MOST_COLUMNS - 1)
    ]


def score_table(report: Report, split: str) -> PageTable:
    """Return every metric on one split."""
    head = ["Recipe", *(f"{headed(metric.label)}{metric.head_unit}" for metric in report.metrics)]
    named: Sequence[ContenderRow | ReferenceRow] = [*report.rows, *report.references]
    rows = [
        [row.name, *(unbroken(row.score(split, metric).spread) for metric in report.metrics)]
        for row in named
        if any(key[0] == split for key in row.scores)
    ]
    styles = ["reference" if isinstance(row, ReferenceRow) else "" for row in named]
    caption = f"{headed(report.metric.label_on(split).removesuffix(report.metric.label))}scores, {means(report)}"
    return PageTable(caption, head, rows, styles=styles)


def unbroken(text: str) -> str:
    """Hold each ± to the number behind it, where a narrow column breaks the line."""
    return text.replace("± ", "±\N{NO-BREAK SPACE}")


def in_blocks(table: PageTable, most: int = MOST_COLUMNS) -> list[PageTable]:
    """Return a table as several, of at most so many columns beside the first, so that none is cut by the page."""
    columns = len(table.head) - 1
    if columns <= most:
        return [table]
    starts = range(1, columns + 1, most)
    return [
        PageTable(
            f"{table.caption} ({number} of {len(starts)})",
            [table.head[0], *table.head[start : start + most]],
            [[row[0], *row[start : start + most]] for row in table.rows],
            styles=table.styles,
        )
        for number, start in enumerate(starts, start=1)
    ]


def dead_unit_tables(report: Report) -> list[DeadUnitTable]:
    """Return the dead units of each layer, one row for each contender; in blocks of layers that fit into the page."""
    runs = [run for row in report.rows for run in row.contender.runs]
    units = list({layer.name: layer.units for run in runs for layer in run.layers}.items())
    blocks = [units[start : start + MOST_COLUMNS] for start in range(0, len(units), MOST_COLUMNS)]
    return [
        DeadUnitTable(
            layers=[f"{name} (of {count})" for name, count in block],
            rows=[(row.name, [dead_units(row.contender, name, count) for name, count in block]) for row in report.rows],
        )
        for block in blocks
    ]


def dead_units(contender: Contender, name: str, units: int) -> DeadUnits:
    """Average the dead units of a layer over the runs."""
    count = mean_of(layer.dead_units for layer in layers_of(contender, name))
    return DeadUnits(mean_count(count), round(count / units, 3) if count > 0 else 0.0)


def norm_tables(report: Report) -> list[PageTable]:
    """Return the Euclidean norm of each layer's weights, one row for each contender."""
    names = layer_names(report.study)
    rows = [[row.name, *(significant(mean_norm(row.contender, name)) for name in names)] for row in report.rows]
    caption = "Norm of the weights of each layer, mean over the seeds"
    return in_blocks(PageTable(caption, ["Recipe", *names], rows))
