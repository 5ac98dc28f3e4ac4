"""The charts of a study and of a run as Plotly figures, made from the same charts as the page.

Figures take Plotly's own look (``plotly.io.templates.default``), a title, and can be zoomed: on the page they cannot.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from plotly.graph_objects import Figure
from plotly.subplots import make_subplots

from bridle.errors import InputError
from bridle.report.charts.curves import curve_charts
from bridle.report.charts.dot_plots import difference_chart, gap_chart, score_chart
from bridle.report.charts.figure import Chart, plain_text
from bridle.report.charts.run_curves import run_curve_charts
from bridle.report.charts.strengths import strength_charts
from bridle.report.rows import Report
from bridle.results import Run, Study
from bridle_audit.wording import nearest

__all__ = ["RunPlots", "StudyPlots"]

TITLE = 52  # pixels above a chart
PANEL, SPACE, COLUMNS = 260, 84, 2  # of charts side by side: pixels of one, those between two, how many in a row


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
        charts = [(chart.key.split("-", 2), chart) for chart in curve_charts(self.report)]
        return named_curves({f"{key[2]} on {key[1]}": chart for key, chart in charts}, f"{metric} on {split}")

    def strengths(self) -> Figure:
        """Draw what tuning tried: for each contender the score of every trial against each strength that it varied."""
        report = self.report
        title = f"Trials: {report.metric.label} by strength"
        return panels(strength_charts(report), title, "nothing was tuned in this study; bridle.compare(tuned=N) tunes")

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
        charts = {chart.key.removeprefix("run-"): chart for chart in run_curve_charts(self.run)}
        return named_curves(charts, metric)


def named_curves(named: dict[str, Chart], name: str) -> Figure:
    """Return the curves of that name, with a legend."""
    if name not in named:
        raise InputError(f"no run recorded {name}; recorded are: {', '.join(named) or 'none'}")
    return figure(named[name], "").update_layout(showlegend=True)


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
    height, top = made.layout.height + TITLE, made.layout.margin.t + TITLE
    return freed(made.update_layout(title=chart.title, height=height, margin_t=top))


def panels(charts: list[Chart], title: str, reason: str) -> Figure:
    """Return charts side by side in one figure, each under its own title."""
    if not charts:
        raise InputError(f"there is nothing to draw: {reason}")
    columns = min(COLUMNS, len(charts))
    rows = -(-len(charts) // columns)
    titles = [plain_text(chart.title) for chart in charts]
    made = make_subplots(rows, columns, subplot_titles=titles, vertical_spacing=SPACE / (PANEL * rows))
    for place, chart in enumerate(charts):
        row, column = place // columns + 1, place % columns + 1
        drawn = Figure({"data": chart.traces, "layout": chart.layout})
        made.add_traces(drawn.data, rows=[row] * len(drawn.data), cols=[column] * len(drawn.data))
        made.update_xaxes(drawn.layout.xaxis.to_plotly_json(), row=row, col=column)
        made.update_yaxes(drawn.layout.yaxis.to_plotly_json(), row=row, col=column)
        for line in drawn.layout.shapes:
            made.add_shape(line.to_plotly_json() | {"xref": "x domain"}, row=row, col=column)
    made.update_layout(title=title, height=PANEL * rows + TITLE, showlegend=False)
    return freed(made)


def freed(made: Figure) -> Figure:
    """Let a figure be zoomed, and leave colours to the template; in a legend stand the traces that have a name."""
    made.update_traces(showlegend=False, selector=lambda trace: not trace.name)
    made.update_annotations(bgcolor=None).update_layout(dragmode="zoom")
    return made.update_xaxes(fixedrange=False).update_yaxes(fixedrange=False)
