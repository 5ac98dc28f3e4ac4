import json
import math
from typing import Any

import pytest
from studies import BASELINE, BATCH_NORM, DROPOUT, SIX, study, versus_of

from bridle.report.averaging import rebinned, usable
from bridle.report.charts.curves import curve_charts
from bridle.report.charts.dot_plots import difference_chart, gap_chart, score_chart
from bridle.report.charts.histograms import gamma_charts, weight_charts
from bridle.report.formats import MetricFormat
from bridle.report.page import chart_groups
from bridle.report.rows import Report
from bridle.results import Summary, to_plain


def traces_of(chart, contender, mode=None):
    return [trace for trace in chart.traces if trace["meta"] == contender and mode in (None, trace["mode"])]


def test_a_score_chart_has_every_seed_the_mean_and_one_standard_deviation():
    made = study()
    chart = score_chart(Report.of(made), "test", MetricFormat("accuracy"))
    scores = made.contenders[3].scores["test"]["accuracy"]
    (ends,) = traces_of(chart, 3, "lines")
    dots, mark = traces_of(chart, 3, "markers")
    assert dots["x"] == pytest.approx([100 * value for value in scores.values])
    assert mark["x"] == pytest.approx([100 * scores.mean])
    assert ends["x"] == pytest.approx([100 * (scores.mean - scores.sd), 100 * (scores.mean + scores.sd)])


def test_a_difference_chart_has_the_interval_and_leaves_out_the_baseline():
    made = study()
    chart = difference_chart(Report.of(made))
    versus = versus_of(made.contenders[4])
    assert chart is not None
    (ends,) = traces_of(chart, 4, "lines")
    assert ends["x"] == pytest.approx([100 * versus.low, 100 * versus.high])
    assert {trace["meta"] for trace in chart.traces} == {1, 2, 3, 4, 5}
    shapes: Any = chart.layout["shapes"]
    assert shapes[0]["x0"] == shapes[0]["x1"] == 0


def test_a_gap_is_training_minus_validation_run_by_run():
    made = study(recipes=(BASELINE, DROPOUT))
    run = made.contenders[1].runs[2]
    dots, _ = traces_of(gap_chart(Report.of(made)), 1, "markers")
    assert dots["x"][2] == pytest.approx(100 * (run.scores["train"]["accuracy"] - run.scores["valid"]["accuracy"]))


def test_a_contender_has_one_colour_in_all_charts():
    report = Report.of(study())
    for chart in [chart for charts in chart_groups(report).values() for chart in charts]:
        for row in report.rows:
            lines = [
                trace["line"]["color"] for trace in traces_of(chart, row.number, "lines") if trace["line"].get("dash")
            ]
            marks = [trace["marker"]["color"] for trace in traces_of(chart, row.number, "markers")[1:]]
            assert set(lines + marks) <= {row.style.color}, chart.key


def test_curves_are_means_over_the_seeds_with_bands_of_one_standard_deviation():
    made = study()
    chart = next(chart for chart in curve_charts(Report.of(made)) if chart.key == "curve-valid-accuracy")
    values = Summary.of([run.curves["valid_accuracy"][7] for run in made.contenders[3].runs])
    band, line = traces_of(chart, 3)
    assert line["y"][7] == pytest.approx(100 * values.mean)
    assert band["y"][7] == pytest.approx(100 * (values.mean + values.sd))
    assert band["y"][-8] == pytest.approx(100 * (values.mean - values.sd))


def test_training_and_validation_share_an_axis():
    charts = {chart.key: chart for chart in curve_charts(Report.of(study()))}
    for metric in ("loss", "accuracy"):
        axes = [charts[f"curve-{split}-{metric}"].layout["yaxis"] for split in ("train", "valid")]
        assert axes[0] == axes[1]


def test_a_run_that_diverged_is_left_out_of_its_curve():
    made, whole = study(diverged=[(3, 0)]), study()
    (chart,) = [chart for chart in curve_charts(Report.of(made)) if chart.key == "curve-valid-loss"]
    over = Summary.of([run.curves["valid_loss"][0] for run in whole.contenders[3].runs[1:]])
    assert traces_of(chart, 3)[1]["y"][0] == pytest.approx(over.mean)


def test_one_seed_has_no_bands_and_no_bars():
    groups = chart_groups(Report.of(study(seeds=1)))
    assert "difference" in groups and not groups["difference"]
    assert all(trace.get("fill") is None for chart in groups["curves"] for trace in chart.traces)
    assert {trace["mode"] for chart in groups["scores"] for trace in chart.traces} == {"markers"}


def test_regression_has_r2_rmse_and_loss_and_no_calibration_error():
    keys = {chart.key for charts in chart_groups(Report.of(study(task="regression"))).values() for chart in charts}
    assert {"score-valid-r2", "score-test-r2", "score-test-rmse", "score-test-loss", "curve-valid-r2"} <= keys
    assert not any("calibration" in key or "accuracy" in key for key in keys)


def test_gammas_are_drawn_for_batch_norm_alone_and_weights_for_all():
    made = study()
    assert [chart.title for chart in gamma_charts(Report.of(made))] == ["linear1", "linear2"]
    assert {trace["meta"] for chart in gamma_charts(Report.of(made)) for trace in chart.traces} == {
        SIX.index(BATCH_NORM)
    }
    assert [len(chart.traces) for chart in weight_charts(Report.of(made))] == [6, 6, 6]


def test_a_weight_histogram_of_smaller_weights_is_narrower():
    chart = weight_charts(Report.of(study()))[0]

    def width(number):
        (hill,) = traces_of(chart, number)
        foot = min(hill["y"])
        high = [x for x, y in zip(hill["x"], hill["y"], strict=True) if y > foot + 0.1]
        return max(high) - min(high)

    assert width(2) < 0.6 * width(0)


def test_weights_of_diverged_runs_are_left_out():
    made = study(recipes=(BASELINE, DROPOUT), diverged=[(1, seed) for seed in range(5)])
    assert {trace["meta"] for chart in weight_charts(Report.of(made)) for trace in chart.traces} == {0}


@pytest.mark.parametrize(
    "histogram",
    [
        {},
        {"edges": [], "counts": []},
        {"edges": [0.0, math.nan], "counts": [1.0]},
        {"edges": [0.0, 1.0], "counts": [0]},
    ],
)
def test_histograms_without_mass_are_not_usable(histogram):
    assert not usable(histogram)


def test_rebinning_keeps_the_mass_and_puts_equal_values_into_their_bin():
    assert sum(rebinned({"edges": [-1.0, 0.5, 2.0], "counts": [2, 5]}, [-1.0, 0.0, 1.0, 2.0])) == pytest.approx(1.0)
    assert rebinned({"edges": [0.5, 0.5], "counts": [9]}, [0.0, 1.0, 2.0]) == [1.0, 0.0]


def test_names_reach_plotly_as_text_and_never_as_its_tags():
    made = study(recipes=(BASELINE, '<a href="x">b</a> & <b>c</b>'))
    chart = score_chart(Report.of(made), "test", MetricFormat("accuracy"))
    assert chart is not None
    notes: Any = chart.layout["annotations"]
    texts = [note["text"] for note in notes]
    assert any(text.endswith("</span> &lt;a x &gt;b&lt;/a&gt; &amp; &lt;b&gt;c&lt;/b&gt;") for text in texts), texts


@pytest.mark.parametrize("huge", [1e300, 1.7e308])
def test_losses_on_their_way_out_break_no_chart(huge):
    made = study(recipes=(BASELINE, DROPOUT))
    for run in made.contenders[1].runs:
        run.curves["valid_loss"][2] = huge
    for charts in chart_groups(Report.of(made)).values():
        assert json.dumps(to_plain([chart.spec() for chart in charts]), allow_nan=False)


def test_every_chart_says_what_it_shows_and_has_its_numbers_as_a_table():
    groups = chart_groups(Report.of(study(diverged=[(3, 1)])))
    charts = [chart for charts in groups.values() for chart in charts]
    assert len({chart.key for chart in charts}) == len(charts) == 15
    for chart in charts:
        assert len(chart.summary) > 30 and chart.summary.endswith(".")
        assert chart.table.rows and all(len(row) == len(chart.table.head) for row in chart.table.rows)
