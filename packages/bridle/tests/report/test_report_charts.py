import json
import math
from dataclasses import replace
from typing import Any

import pytest
from studies import BASELINE, BATCH_NORM, DECAY, DROPOUT, SIX, study, versus_of

from bridle.report import verdicts
from bridle.report.averaging import rebinned, usable
from bridle.report.charts.curves import curve_charts, length_chart
from bridle.report.charts.dot_plots import difference_chart, gap_chart, score_chart, spread_note
from bridle.report.charts.figure import GREY
from bridle.report.charts.histograms import gamma_charts, weight_charts
from bridle.report.charts.strengths import strength_charts, strength_note, varied_knobs
from bridle.report.formats import MetricFormat
from bridle.report.page import chart_groups
from bridle.report.rows import Report
from bridle.report.series_style import VERDICT_STYLES
from bridle.results import Summary, Trial, to_plain

ACCURACY = MetricFormat("accuracy")


def traces_of(chart, contender, mode=None):
    return [trace for trace in chart.traces if trace["meta"] == contender and mode in (None, trace["mode"])]


def texts_of(layout: Any):
    return [note["text"] for note in layout["annotations"]]


def lines_of(chart: Any, axis="x0"):
    return [shape[axis] for shape in chart.layout["shapes"] if shape["type"] == "line"]


def test_a_score_chart_has_every_seed_the_mean_and_one_standard_deviation():
    made = study()
    chart = score_chart(Report.of(made), "test", ACCURACY)
    scores = made.contenders[3].scores["test"]["accuracy"]
    (ends,) = traces_of(chart, 3, "lines")
    dots, mark = traces_of(chart, 3, "markers")
    assert dots["x"] == pytest.approx([100 * value for value in scores.values])
    assert mark["x"] == pytest.approx([100 * scores.mean])
    assert ends["x"] == pytest.approx([100 * (scores.mean - scores.sd), 100 * (scores.mean + scores.sd)])


@pytest.mark.parametrize(("task", "constant"), [("classification", "majority class"), ("regression", "mean")])
def test_references_are_grey_lines_and_rows_in_every_score_chart(task, constant):
    report = Report.of(study(task=task))
    for chart in chart_groups(report)["scores"][:3]:
        names = [text for text in texts_of(chart.layout) if "■" in text]
        assert [name.rpartition("</span> ")[2] for name in names[-3:]] == [
            "gradient boosting",
            "linear model",
            constant,
        ]
        assert all(GREY in name for name in names[-3:])
        marks = traces_of(chart, -1)
        assert len(marks) == 3 and {mark["marker"]["color"] for mark in marks} == {GREY}
        assert len(lines_of(chart)) >= 2


def test_the_line_of_the_majority_class_is_drawn_where_it_is_within_reach():
    made = study(level=0.4, effects=(0.0, 0.05, 0.1, 0.2, -0.1, 0.25))
    chart = score_chart(Report.of(made), "valid", MetricFormat("log_loss"))
    assert math.log(10) in lines_of(chart)


def test_a_reference_far_off_is_told_at_the_edge_of_the_axis_with_its_number():
    chart: Any = score_chart(Report.of(study()), "test", ACCURACY)
    low, high = chart.layout["xaxis"]["range"]
    assert low > 90
    (mark,) = [trace for trace in traces_of(chart, -1) if trace["marker"]["symbol"] == "triangle-left"]
    assert low < mark["x"][0] < low + 0.05 * (high - low)
    assert any("11.00 % (off axis)" in text for text in texts_of(chart.layout))


def test_names_have_the_room_of_the_longest_and_arrows_are_explained():
    short, long = (
        difference_chart(Report.of(study(recipes=(BASELINE, recipe)))) for recipe in ("L1()", f"{DROPOUT} + {DECAY}")
    )
    assert short is not None and long is not None
    rooms: list[Any] = [chart.layout["margin"] for chart in (short, long)]
    assert rooms[0]["l"] < 100 and rooms[1]["l"] > 6.7 * len("Dropout 0.2 + WeightDecay 0.1") + 15
    assert "an arrow at the edge of a chart stands for one beyond it" in spread_note(Report.of(study()))


@pytest.mark.parametrize(("task", "side"), [("classification", "left"), ("regression", "right")])
def test_an_axis_of_differences_says_which_side_is_better(task, side):
    chart: Any = difference_chart(Report.of(study(task=task)))
    assert chart.layout["xaxis"]["title"]["text"].endswith(f"; {side} is better")


def test_axes_that_leave_out_zero_say_so():
    report = Report.of(study())
    narrow: Any = score_chart(report, "test", ACCURACY)
    assert "not from 0" in narrow.layout["xaxis"]["title"]["text"]
    differences: Any = difference_chart(report)
    assert "not from 0" not in differences.layout["xaxis"]["title"]["text"]
    notes = {chart.key: chart.note for chart in curve_charts(report)}
    assert "not from 0" in notes["curve-valid-accuracy"] and "logarithmic" in notes["curve-valid-loss"]


def test_a_difference_chart_has_the_interval_and_leaves_out_the_baseline():
    made = study()
    chart = difference_chart(Report.of(made))
    versus = versus_of(made.contenders[4])
    assert chart is not None
    (ends,) = traces_of(chart, 4, "lines")
    assert ends["x"] == pytest.approx([versus.low, versus.high])
    assert {trace["meta"] for trace in chart.traces} == {1, 2, 3, 4, 5}
    assert 0 in lines_of(chart)


@pytest.mark.parametrize("look", ["layout", "narrow"])
def test_rows_of_the_difference_chart_have_their_verdicts_in_words(look):
    made = study()
    chart = difference_chart(Report.of(made))
    text = " ".join(texts_of(getattr(chart, look)))
    assert "helps: −0.0296 [−0.0318, −0.0275]" in text and "hurts: +0.0174 [+0.0131, +0.0217]" in text
    assert "cannot tell yet: −0.0053 [−0.0101, −0.0005]" in text and "about 6 more seeds" in text


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_size_that_would_have_been_shown_has_the_digits_of_the_verdict(task):
    made = study(task=task, effects=(0.0, 0.0001, -0.0001, 0.0003, 0.0, 0.0002))
    chart = difference_chart(Report.of(made))
    assert chart is not None
    place = chart.table.head.index("Shown by 80 %")
    sizes = [row[place] for row in chart.table.rows]
    undecided = [
        (size, words) for size, words in zip(sizes, verdicts(made), strict=True) if "in 80 % of cases" in words
    ]
    assert undecided
    assert all(f"5 seeds show {size} in 80 % of cases" in words for size, words in undecided)


def test_an_interval_beside_zero_without_a_verdict_is_explained():
    chart: Any = difference_chart(Report.of(study()))
    assert (
        "An interval beside zero is not always enough" in chart.note and "So many more seeds would tell" in chart.note
    )
    sure: Any = difference_chart(Report.of(study(recipes=(BASELINE, DROPOUT), effects=(0.0, 0.02))))
    assert "beside zero" not in sure.note and "more seeds" not in sure.note


def test_where_there_was_no_spread_the_chart_says_so():
    made = study(recipes=(BASELINE, DROPOUT))
    versus = versus_of(made.contenders[1])
    made.contenders[1].versus_baseline = replace(versus, low=versus.difference, high=versus.difference)
    chart: Any = difference_chart(Report.of(made))
    assert any("the same under each seed" in text for text in texts_of(chart.layout))


def test_verdicts_have_colours_and_marks_of_their_own():
    made = study()
    chart = difference_chart(Report.of(made))
    for row, found in Report.of(made).compared:
        style = VERDICT_STYLES[found.versus.verdict]
        *_, mark = traces_of(chart, row.number, "markers")
        assert (mark["marker"]["color"], mark["marker"]["symbol"]) == (style.color, style.symbol)
    assert len({(style.color, style.symbol) for style in VERDICT_STYLES.values()}) == 4


def test_the_margin_is_a_band():
    chart: Any = difference_chart(Report.of(study(margin=0.004)))
    (band,) = [shape for shape in chart.layout["shapes"] if shape["type"] == "rect"]
    assert (band["x0"], band["x1"]) == (-0.004, 0.004)
    assert "±0.004" in chart.note


@pytest.mark.parametrize("section", ["difference", "scores"])
def test_charts_of_rows_are_sorted_by_effect(section):
    report = Report.of(study())
    expected = [row.name for row in report.rows if section != "difference" or row.number]
    charts: Any = chart_groups(report)[section]
    for chart in charts:
        names = [text.rpartition("</span> ")[2] for text in texts_of(chart.layout) if "■" in text]
        assert names[: len(expected)] == expected, chart.key
        heights = [note["y"] for note in chart.layout["annotations"] if "■" in note["text"]]
        assert heights == sorted(heights, reverse=True)


def test_a_gap_is_training_minus_validation_run_by_run():
    made = study(recipes=(BASELINE, DROPOUT))
    run = made.contenders[1].runs[2]
    dots, _ = traces_of(gap_chart(Report.of(made)), 1, "markers")
    assert dots["x"][2] == pytest.approx(run.scores["train"]["log_loss"] - run.scores["valid"]["log_loss"])


def test_a_contender_has_one_colour_in_all_curves_and_one_in_all_rows():
    report = Report.of(study())
    groups = chart_groups(report)
    for row in report.rows:
        for chart in groups["curves"]:
            lines = [
                each["line"]["color"] for each in traces_of(chart, row.number, "lines") if each["line"].get("dash")
            ]
            assert set(lines) <= {row.style.color}, chart.key
        for chart in [*groups["scores"], *groups["more_scores"]]:
            *_, mark = traces_of(chart, row.number, "markers")
            assert mark["marker"]["color"] == row.verdict_style.color, chart.key


def test_curves_are_means_over_the_seeds_with_bands_of_one_standard_deviation():
    made = study()
    chart = next(chart for chart in curve_charts(Report.of(made)) if chart.key == "curve-valid-accuracy")
    values = Summary.of([run.curves["valid_accuracy"][7] for run in made.contenders[3].runs])
    band, line = traces_of(chart, 3)
    assert line["y"][7] == pytest.approx(100 * values.mean)
    assert band["y"][7] == pytest.approx(100 * (values.mean + values.sd))
    assert band["y"][-8] == pytest.approx(100 * (values.mean - values.sd))


def test_the_validation_loss_has_an_axis_of_its_own_and_accuracies_share_one():
    charts: Any = {chart.key: chart for chart in curve_charts(Report.of(study()))}
    own = [charts[f"curve-{split}-loss"].layout["yaxis"]["range"] for split in ("train", "valid")]
    shared = [charts[f"curve-{split}-accuracy"].layout["yaxis"] for split in ("train", "valid")]
    assert own[0] != own[1] and shared[0] == shared[1]


def test_the_constant_answer_is_a_line_in_the_curves():
    charts: Any = {chart.key: chart for chart in curve_charts(Report.of(study(level=0.5)))}
    assert math.log(10) in lines_of(charts["curve-valid-loss"], "y0")
    assert "majority class" in texts_of(charts["curve-valid-loss"].layout)


def test_a_run_that_diverged_is_left_out_of_its_curve():
    made, whole = study(diverged=[(3, 0)]), study()
    (chart,) = [chart for chart in curve_charts(Report.of(made)) if chart.key == "curve-valid-loss"]
    over = Summary.of([run.curves["valid_loss"][0] for run in whole.contenders[3].runs[1:]])
    assert traces_of(chart, 3)[1]["y"][0] == pytest.approx(over.mean)


def test_runs_that_found_another_length_are_no_part_of_a_curve():
    made = study(recipes=(BASELINE, DROPOUT), lengths=(0.1, 0.0))
    odd = made.contenders[1].runs[0]
    odd.curves = {name: points[:4] for name, points in odd.curves.items()}
    chart = next(chart for chart in curve_charts(Report.of(made)) if chart.key == "curve-valid-loss")
    over = Summary.of([run.curves["valid_loss"][0] for run in made.contenders[1].runs[1:]])
    assert traces_of(chart, 1)[1]["y"][0] == pytest.approx(over.mean)


def test_lengths_are_drawn_with_what_early_stopping_gains_as_a_grey_line():
    made = study(lengths=(0.2, 0.05, 0.0))
    chart: Any = length_chart(Report.of(made))
    line = next(trace for trace in traces_of(chart, 3) if trace["mode"] == "lines+markers")
    assert line["x"] == [20.0, 40.0, 80.0]
    runs = made.contenders[3].runs
    assert line["y"][1] == pytest.approx(Summary.of([run.lengths[1].score for run in runs]).mean)
    grey = [trace for trace in chart.traces if trace["mode"] == "lines" and trace["line"]["color"] == GREY]
    last = Summary.of([run.lengths[2].last_score for run in made.baseline.runs]).mean
    assert len(grey) == 1 and grey[0]["y"][2] == pytest.approx(last)
    assert chart.layout["xaxis"]["ticktext"] == ["20", "40", "80"]
    assert length_chart(Report.of(study())) is None


def test_a_length_that_not_every_run_has_tried_is_left_out():
    made = study(recipes=(BASELINE,), lengths=(0.2, 0.05, 0.0))
    made.baseline.runs[0].lengths.pop()
    chart: Any = length_chart(Report.of(made))
    assert chart.traces[0]["x"] == [20.0, 40.0]


def test_every_trial_is_a_dot_and_the_chosen_one_has_a_ring():
    made = study(trials=9)
    charts: Any = {chart.key: chart for chart in strength_charts(Report.of(made))}
    chart = charts["strength-2-WeightDecay-strength"]
    ring, dots = chart.traces
    assert len(dots["x"]) == 9 and chart.layout["xaxis"]["type"] == "log"
    assert ring["x"] == [0.1] and ring["marker"]["symbol"] == "circle-open"
    best = [max(trial.scores) if made.higher_is_better else min(trial.scores) for trial in made.contenders[2].trials]
    assert dots["y"][0] == pytest.approx(best[0])
    assert "chosen: WeightDecay strength 0.1" in chart.summary


def test_learning_rates_are_told_by_shade():
    made = study(trials=9)
    _, dots = next(chart for chart in strength_charts(Report.of(made)) if "Dropout-rate" in chart.key).traces
    rates = [trial.lr for trial in made.contenders[3].trials]
    shades = dict(zip(rates, dots["marker"]["color"], strict=True))
    opacity = {rate: float(color.rpartition(",")[2].rstrip(")")) for rate, color in shades.items()}
    assert len(opacity) == 3
    assert sorted(opacity, key=opacity.__getitem__) == sorted(rates, key=float)[:: len(rates) // 3]
    assert "0.0006 to 0.006" in strength_note(Report.of(made))


def test_a_recipe_of_two_strengths_has_two_charts_and_one_of_none_is_drawn_by_learning_rate():
    keys = [chart.key for chart in strength_charts(Report.of(study(trials=6)))]
    assert "strength-5-Dropout-rate" in keys and "strength-5-WeightDecay-strength" in keys
    assert "strength-0-learning-rate" in keys and "strength-4-learning-rate" in keys
    assert len(keys) == 7


def test_the_baseline_at_its_best_is_a_line_in_every_chart_of_strengths():
    made = study(trials=6)
    best = min(min(trial.scores) for trial in made.baseline.trials)
    for chart in strength_charts(Report.of(made)):
        assert lines_of(chart, "y0") == pytest.approx([best])


def test_a_trial_far_worse_is_drawn_at_the_edge_and_one_without_a_score_is_not():
    made = study(trials=6, recipes=(BASELINE, DROPOUT))
    made.contenders[1].trials += [
        Trial("Dropout(rate=0.7)", 0.002, [9.0], 20),
        Trial("Dropout(rate=0.8)", 0.002, [math.nan], 20),
    ]
    charts: Any = {chart.key: chart for chart in strength_charts(Report.of(made))}
    chart = charts["strength-1-Dropout-rate"]
    _, dots = chart.traces
    assert len(dots["x"]) == 7 and dots["marker"]["symbol"][-1] == "triangle-up"
    assert dots["y"][-1] < chart.layout["yaxis"]["range"][1] < 9
    assert len(chart.table.rows) == 8


@pytest.mark.parametrize("recipe", ["2 +", "Dropout(rate=", "L2(strength=0.1) + L2(strength=0.2)"])
def test_trials_that_are_no_recipes_have_no_knobs_that_vary(recipe):
    assert varied_knobs([Trial(recipe, 0.1, [0.1], 1), Trial(recipe, 0.2, [0.1], 1)]) == []


def test_one_seed_has_no_bands_and_no_bars():
    groups = chart_groups(Report.of(study(seeds=1)))
    assert "difference" in groups and not groups["difference"]
    assert all(trace.get("fill") is None for chart in groups["curves"] for trace in chart.traces)
    assert {trace["mode"] for chart in groups["scores"] for trace in chart.traces} == {"markers"}


def test_regression_has_r2_rmse_and_mae_and_no_calibration_error():
    keys = {chart.key for charts in chart_groups(Report.of(study(task="regression"))).values() for chart in charts}
    assert {"score-valid-r2", "score-test-r2", "score-test-rmse", "score-test-mae", "curve-valid-r2"} <= keys
    assert not any("ece" in key or "accuracy" in key for key in keys)


def test_gammas_are_drawn_for_batch_norm_alone_and_weights_for_all():
    made = study()
    assert [chart.title for chart in gamma_charts(Report.of(made))] == [
        "Gammas behind linear1",
        "Gammas behind linear2",
    ]
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
    for chart in [chart for charts in chart_groups(Report.of(made)).values() for chart in charts if chart.narrow]:
        for layout in (chart.layout, chart.narrow):
            assert any(
                text.partition("<br>")[0].endswith("</span> &lt;a x &gt;b&lt;/a&gt; &amp; &lt;b&gt;c&lt;/b&gt;")
                or "&lt;b&gt;c&lt;/b&gt;, " in text
                for text in texts_of(layout)
            ), chart.key


@pytest.mark.parametrize("huge", [1e300, 1.7e308])
def test_losses_on_their_way_out_break_no_chart(huge):
    made = study(recipes=(BASELINE, DROPOUT))
    for run in made.contenders[1].runs:
        run.curves["valid_loss"][2] = huge
    for charts in chart_groups(Report.of(made)).values():
        assert json.dumps(to_plain([chart.spec() for chart in charts]), allow_nan=False)


def test_every_chart_says_what_it_shows_and_has_its_numbers_as_a_table():
    groups = chart_groups(Report.of(study(diverged=[(3, 1)], trials=4, lengths=(0.1, 0.0))))
    charts = [chart for charts in groups.values() for chart in charts]
    assert len({chart.key for chart in charts}) == len(charts)
    assert all(groups.values())
    for chart in charts:
        assert len(chart.summary) > 30 and chart.summary.endswith(".")
        assert chart.table.rows and all(len(row) == len(chart.table.head) for row in chart.table.rows)


def test_references_stand_in_the_tables_of_scores_as_well():
    for chart in chart_groups(Report.of(study(recipes=(BASELINE, DECAY), seeds=2)))["scores"][:3]:
        assert [row[0] for row in chart.table.rows][-3:] == ["gradient boosting", "linear model", "majority class"]
        assert list(chart.table.styles)[-3:] == ["reference"] * 3
