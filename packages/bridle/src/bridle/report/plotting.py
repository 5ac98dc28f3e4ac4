"""The charts of a study and of a run as Plotly figures, made from the same charts as the page.

Figures take Plotly's own look (``plotly.io.templates.default``), a title, and can be zoomed: on the page they cannot.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from plotly.graph_objects import Figure

from bridle.errors import InputError
from bridle.report.charts.curves import curve_charts
from bridle.report.charts.dot_plots import difference_chart, gap_chart, score_chart
from bridle.report.charts.figure import Chart
from bridle.report.charts.run_curves import run_curve_charts
from bridle.report.rows import Report
from bridle.results import Run, Study
from bridle_audit.wording import nearest

__all__ = ["RunPlots", "StudyPlots"]

TITLE = 52  # pixels above a chart


@dataclass(frozen=True)
class StudyPlots:
    """The charts of a study, each a ``plotly.graph_objects.Figure``; ``InputError`` where there is nothing to draw."""

    study: Study

    def differences(self) -> Figure:
        """Draw each contender minus the baseline, seed by seed, with its 95 % interval."""
        return figure(difference_chart(self.report), "no contender was paired with the baseline under two seeds")

    def scores(self, metric: str | None = None, split: str = "valid") -> Figure:
        """Draw a score of every contender, its seeds, mean and standard deviation; the main metric unless given."""
        name = metric or self.study.metric
        measured = self.study.baseline.scores
        check("split", split, measured)
        check("metric", name, measured[split])
        report = self.report
        return figure(score_chart(report, split, report.format(name)), f"no run has a finite {split} {name}")

    def gap(self) -> Figure:
        """Draw the training minus the validation score of every contender."""
        return figure(gap_chart(self.report), "no run has a finite score on the training and on the validation rows")

    def curves(self, metric: str = "loss", split: str = "valid") -> Figure:
        """Draw the loss, or a metric that was watched, over the epochs: mean and standard deviation over the seeds."""
        return named_curves(f"curve-{split}-{metric}", "curve-", curve_charts(self.report))

    @property
    def report(self) -> Report:
        """The study as the charts take it."""
        return Report.of(self.study)


@dataclass(frozen=True)
class RunPlots:
    """The charts of a run, each a ``plotly.graph_objects.Figure``; ``InputError`` where there is nothing to draw."""

    run: Run

    def curves(self, metric: str = "loss") -> Figure:
        """Draw the loss, or a metric that was watched, over the epochs, on the training and the validation rows."""
        return named_curves(f"run-{metric}", "run-", run_curve_charts(self.run))


def named_curves(key: str, prefix: str, charts: list[Chart]) -> Figure:
    """Return the chart of that key, with a legend."""
    by_key = {chart.key: chart for chart in charts}
    if key not in by_key:
        recorded = ", ".join(each.removeprefix(prefix) for each in by_key) or "none"
        raise InputError(f"there are no curves {key.removeprefix(prefix)!r}; recorded are: {recorded}")
    return figure(by_key[key], "").update_layout(showlegend=True)


def check(what: str, given: str, known: Iterable[str]) -> None:
    """``InputError`` for a split or a metric that was not measured."""
    if given not in (measured := list(known)):
        raise InputError(f"plot.scores: no {what} {given!r} was measured{nearest(given, measured)}")


def figure(chart: Chart | None, reason: str) -> Figure:
    """Return a chart as a figure that stands alone: with a title, in the look of Plotly's template, to be zoomed."""
    if chart is None:
        raise InputError(f"there is nothing to draw: {reason}")
    layout = {key: value for key, value in chart.layout.items() if key not in ("paper_bgcolor", "plot_bgcolor")}
    made = Figure({"data": chart.traces, "layout": layout})
    made.update_traces(showlegend=False, selector=lambda trace: not trace.name)
    height, top = made.layout.height + TITLE, made.layout.margin.t + TITLE
    made.update_layout(title=chart.title, height=height, margin_t=top, dragmode="zoom")
    return made.update_xaxes(fixedrange=False).update_yaxes(fixedrange=False)
