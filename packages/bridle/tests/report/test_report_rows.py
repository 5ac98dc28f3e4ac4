import math
from dataclasses import replace

import pytest
from studies import BASELINE, DROPOUT, SIX, study, versus_of

from bridle.report.formats import NOTHING, MetricFormat
from bridle.report.rows import Difference, Report
from bridle.results import HELPS, HURTS, SAME, UNDECIDED, Versus

ACCURACY = MetricFormat("accuracy")


def difference(mean, low, high, metric="log_loss", verdict=UNDECIDED, **changes):
    return Difference.of(Versus(metric, "valid", mean, low, high, verdict, "", 0.1, [mean] * 5, **changes))


def test_rows_are_sorted_by_effect_and_only_the_baseline_has_no_difference():
    report = Report.of(study())
    benefits = [-row.difference.versus.difference if row.difference else 0.0 for row in report.rows]
    assert benefits == sorted(benefits, reverse=True)
    assert [row for row in report.rows if not row.difference] == [report.baseline]
    assert report.baseline.number == 0 and sorted(row.number for row in report.rows) == list(range(6))
    assert [row for row, _ in report.compared] == [row for row in report.rows if row.number]


def test_a_higher_score_comes_first_where_higher_is_better():
    means = [row.score("valid", MetricFormat("r2")).summary.mean for row in Report.of(study(task="regression")).rows]
    assert means == sorted(means, reverse=True)


def test_references_are_sorted_by_their_score():
    names = [row.name for row in Report.of(study()).references]
    assert names == ["gradient boosting", "linear model", "majority class"]
    assert [row.number for row in Report.of(study()).references] == [2, 1, 0]


def test_a_score_that_was_not_measured_is_a_dash():
    row = Report.of(study()).baseline
    assert row.score("test", MetricFormat("r2")).spread == NOTHING
    assert row.score("test", ACCURACY).shown == f"{row.score('test', ACCURACY).mean} %"


def test_a_mean_over_a_run_that_diverged_is_a_dash():
    report = Report.of(study(recipes=(BASELINE, DROPOUT), diverged=[(1, 0)]))
    row = next(row for row in report.rows if row.number)
    assert (row.score("valid", ACCURACY).spread, row.runs, row.whole) == (NOTHING, "5, 1 diverged", False)


def test_the_main_metric_comes_first_and_what_is_shown_beside_it_second():
    assert [each.name for each in Report.of(study()).metrics][:2] == ["log_loss", "accuracy"]
    by_accuracy = Report.of(study(metric="accuracy"))
    assert by_accuracy.metrics[0].name == "accuracy" and by_accuracy.beside is None
    assert [each.name for each in Report.of(study(task="regression")).metrics][:2] == ["r2", "rmse"]


@pytest.mark.parametrize("spread", [0.1, 1.0, 30.0])
def test_scores_have_as_many_decimals_as_their_spread_allows(spread):
    made = study(spread=spread, level=0.8)
    form = Report.of(made).format("log_loss")
    sds = sorted(each.scores[split]["log_loss"].sd for each in made.contenders for split in ("valid", "test"))
    last = 10 ** -(form.places or 0)
    assert last <= sds[len(sds) // 2] < 200 * last
    assert len({len(row.score("valid", form).mean.partition(".")[2]) for row in Report.of(made).rows}) == 1


def test_one_seed_gives_scores_three_digits():
    assert Report.of(study(seeds=1)).baseline.score("valid", Report.of(study(seeds=1)).metric).mean.strip("0.")[:3]
    assert Report.of(study(seeds=1)).format("accuracy").places is None


def test_a_difference_and_its_interval_have_the_decimals_of_the_interval():
    found = difference(-0.1923456, -0.26345, -0.12123)
    assert (found.mean, found.interval) == ("−0.192", "[−0.263, −0.121]")
    assert (found.moved, found.sizes) == ("lower by 0.192", "0.121 to 0.263")
    points = difference(0.0061, 0.0031, 0.0091, metric="accuracy")
    assert (points.in_points, points.moved) == ("+0.61 points", "higher by 0.61 points")


@pytest.mark.parametrize("end", [-0.004, -1e-5, 1e-7])
def test_bounds_are_never_rounded_across_zero(end):
    found = difference(-0.25, -0.5, end, metric="rmse")
    assert found.high.strip("−+0.") != ""
    assert found.high.startswith("+" if end > 0 else "−")


def test_a_baseline_without_a_recipe_is_called_the_baseline_in_sentences():
    assert Report.of(study()).baseline.name == "none"
    assert Report.of(study()).baseline.written == Report.of(study()).baseline.spoken == "the baseline"
    other = Report.of(study(recipes=(DROPOUT, BASELINE))).baseline
    assert (other.written, other.spoken) == (DROPOUT, "Dropout 0.2")


def test_a_gap_is_never_rounded_to_zero_unless_it_is_zero():
    made = study(recipes=(BASELINE, DROPOUT))
    made.baseline.gap, made.contenders[1].gap = -1e-7, 0.0
    gaps = {row.number: row.gap for row in Report.of(made).rows}
    assert gaps[0].startswith("−") and gaps[0].strip("−0.") and gaps[1] == "0.0000"


def test_without_spread_there_is_no_interval():
    found = difference(0.0046, 0.0046, 0.0046, metric="accuracy")
    assert found.interval == "the same under each seed" and not found.has_spread


def test_an_interval_with_zero_in_it_is_told_in_both_directions():
    assert difference(-0.0017, -0.0108, 0.0074).sizes == "0.0108 lower to 0.0074 higher"


@pytest.mark.parametrize(
    ("verdict", "needed", "word"),
    [
        (HELPS, 3, "helps"),
        (HURTS, 3, "hurts"),
        (SAME, None, "the same"),
        (UNDECIDED, 17, "cannot tell yet, 12 more seeds"),
        (UNDECIDED, 6, "cannot tell yet, 1 more seed"),
        (UNDECIDED, None, "cannot tell yet"),
    ],
)
def test_a_verdict_says_how_many_more_seeds_would_tell(verdict, needed, word):
    made = study(recipes=(BASELINE, DROPOUT))
    changed = replace(versus_of(made.contenders[1]), verdict=verdict, seeds_needed=needed)
    made.contenders[1].versus_baseline = changed
    assert next(row.verdict for row in Report.of(made).rows if row.number) == word


def test_a_contender_that_is_too_weak_is_shown_as_such():
    made = study()
    made.contenders[1].too_weak = "too weak to act: it takes 1 % off a weight"
    row = next(row for row in Report.of(made).rows if row.number == 1)
    assert row.verdict == row.verdict_word == "too weak to act"


def test_a_verdict_is_the_sentence_of_the_statistics_and_of_an_older_study_worded_anew():
    made = study()
    row = next(row for row in Report.of(made).rows if row.number == 3)
    assert row.verdict_sentence == versus_of(made.contenders[3]).words
    made.contenders[3].versus_baseline = replace(versus_of(made.contenders[3]), p_value=math.nan, words="old: +0.00")
    row = next(row for row in Report.of(made).rows if row.number == 3)
    assert row.verdict_sentence.startswith("helps: validation log-loss lower by 0.02")


def test_numbers_are_quoted_from_the_test_rows_where_there_are_any():
    made = study()
    assert Report.of(made).quoted_split == "test"
    for contender in made.contenders:
        del contender.scores["test"]
    assert Report.of(made).quoted_split == "valid"


def test_a_verdict_of_an_unknown_word_has_a_look():
    made = study()
    made.contenders[1].versus_baseline = replace(versus_of(made.contenders[1]), verdict="wins")
    assert {row.verdict_style.css for row in Report.of(made).rows} == {"helps", "hurts", "undecided", "none"}


def test_contenders_without_a_difference_come_by_their_scores_and_last_where_these_are_not_finite():
    made = study(seeds=1)
    means = [row.score("valid", Report.of(made).metric).summary.mean for row in Report.of(made).rows]
    assert means == sorted(means)
    lost = study(seeds=1, diverged=[(3, 0)])
    assert Report.of(lost).rows[-1].number == SIX.index(DROPOUT)
