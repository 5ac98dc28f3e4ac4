"""How results show themselves in a notebook: a study and a run as HTML.

The HTML works without a network and without a server: it holds plotly.js (1.9 MB, see Note [the size of a report]).
Where scripts do not run, as in a notebook that is not trusted, the tables are there, with the numbers of each chart.
"""

from __future__ import annotations

import math
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from bridle.report.averaging import finite, middle
from bridle.report.charts.curves import curve_charts
from bridle.report.charts.dot_plots import difference_chart, score_chart
from bridle.report.charts.figure import Chart, PageTable
from bridle.report.charts.run_curves import SPLIT_COLORS, run_curve_charts
from bridle.report.formats import NOTHING, MetricFormat, fixed, headed, seconds, significant
from bridle.report.narrative import headline
from bridle.report.page import asset, packed_library
from bridle.report.rows import Report
from bridle.report.tables import comparison_rows, score_tables
from bridle.results import SPLIT_NAMES, SPLITS, LayerSummary, Run, Study, to_plain
from bridle_audit.wording import counted

__all__ = ["run_html", "study_html"]


def study_html(study: Study) -> str:
    """Return headline, tables, the differences (or, of one recipe, the scores) and the learning curves."""
    report = Report.of(study)
    first = difference_chart(report) or score_chart(report, report.split, report.metric)
    return rendered(
        title=f"{study.data.get('name', 'study')}: {headline(report)}",
        lines=[] if study.finished else ["Not finished: some runs, or the references, are missing."],
        tables=[comparison_rows(report)],
        folded=score_tables(report),
        legend=[(row.name, row.style.color) for row in report.rows],
        wide=[first] if first else [],
        charts=curve_charts(report),
    )


def run_html(run: Run) -> str:
    """Return the scores, the layers and the learning curves of a run."""
    charts = run_curve_charts(run)
    return rendered(
        title=f"{run.recipe}, seed {run.seed}",
        lines=[course(run)],
        tables=[run_scores(run)],
        folded=[run_layers(run)] if run.layers else [],
        legend=[(SPLIT_NAMES[split], color) for split, color in SPLIT_COLORS.items()] if charts else [],
        wide=[],
        charts=charts,
    )


def course(run: Run) -> str:
    """Tell the course of a run: how long it took, and how it ended."""
    parts = [f"{counted('epoch', run.epochs)} in {seconds(run.seconds)}"]
    parts += [] if run.lr is None else [f"peak learning rate {run.lr:g}"]
    parts += [] if run.stopped_at is None else [f"stopped early after epoch {run.stopped_at}"]
    parts += [] if run.best_epoch is None else [f"the weights of epoch {run.best_epoch} were kept"]
    parts += [] if run.diverged_at is None else [f"diverged in epoch {run.diverged_at}"]
    return f"{'; '.join(parts)}."


def run_scores(run: Run) -> PageTable:
    """Return every metric, one row each, on every split."""
    splits = [split for split in SPLITS if split in run.scores]
    metrics = [MetricFormat(name) for name in dict.fromkeys(name for split in splits for name in run.scores[split])]
    rows = [
        [headed(metric.label), *(metric.shown(run.scores[split].get(metric.name, math.nan)) for split in splits)]
        for metric in metrics
    ]
    return PageTable("Scores", ["Score", *(headed(SPLIT_NAMES[split]) for split in splits)], rows)


def run_layers(run: Run) -> PageTable:
    """Return the weight norm, the dead units and the batch-norm gammas of each layer."""
    head = ["Layer", "Weight norm", "Dead units", "Least gamma", "Median gamma", "Greatest gamma"]
    rows = [
        [each.name, significant(each.weight_norm), f"{each.dead_units} of {each.units}", *gamma_cells(each)]
        for each in run.layers
    ]
    return PageTable(f"Layers: {counted('dead unit', run.dead_units)} in all", head, rows)


def gamma_cells(layer: LayerSummary) -> list[str]:
    """Return the least, the middle and the greatest gamma; dashes where there are none."""
    kept = finite(layer.gammas or [])
    return [fixed(each, 2) for each in (min(kept), middle(kept), max(kept))] if kept else [NOTHING] * 3


def rendered(
    *,
    title: str,
    lines: list[str],
    tables: list[PageTable],
    folded: list[PageTable],
    legend: list[tuple[str, str]],
    wide: list[Chart],
    charts: list[Chart],
) -> str:
    """Fill the template; ``wide`` are the charts that stand over all columns."""
    environment = Environment(
        loader=PackageLoader("bridle.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("display.html").render(
        title=title,
        lines=lines,
        tables=tables,
        folded=folded,
        legend=legend,
        wide=wide,
        charts=charts,
        specs=to_plain([chart.spec() for chart in [*wide, *charts]]),
        css=asset("display.css"),
        js=asset("display.js"),
        library=library(),
    )


@cache
def library() -> str:
    """Pack plotly.js, once for all results that a session shows."""
    return packed_library()
