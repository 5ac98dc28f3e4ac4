from dataclasses import replace

import pytest
from studies import BASELINE, DROPOUT, study, versus_of

from bridle.report.formats import NOTHING, MetricFormat
from bridle.report.rows import Difference, Report

ACCURACY = MetricFormat("accuracy")


def test_rows_are_numbered_from_the_baseline_and_only_the_others_have_a_difference():
    report = Report.of(study())
    assert [row.number for row in report.rows] == list(range(6))
    assert report.baseline.difference is None
    assert [row for row, _ in report.compared] == report.rows[1:]


def test_a_score_that_was_not_measured_is_a_dash():
    row = Report.of(study()).baseline
    assert row.score("test", MetricFormat("r2")).spread == NOTHING
    assert row.score("test", ACCURACY).shown == f"{row.score('test', ACCURACY).mean} %"


def test_a_mean_over_a_run_that_diverged_is_a_dash():
    row = Report.of(study(recipes=(BASELINE, DROPOUT), diverged=[(1, 0)])).rows[1]
    assert (row.score("valid", ACCURACY).spread, row.runs, row.whole) == (NOTHING, "5, 1 diverged", False)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_size_of_a_difference_has_no_sign_and_its_interval_goes_up(sign):
    ends = sorted((sign * 0.004, sign * 0.008))
    versus = versus_of(Report.of(study()).rows[1].contender)
    found = Difference.of(replace(versus, difference=sign * 0.006, low=ends[0], high=ends[1]))
    assert (found.size, found.size_interval) == ("0.60", "0.40 to 0.80")
    assert found.in_points == f"{'+' if sign > 0 else '−'}0.60 points"


def test_numbers_are_quoted_from_the_test_rows_where_there_are_any():
    made = study()
    assert Report.of(made).quoted_split == "test"
    for contender in made.contenders:
        del contender.scores["test"]
    assert Report.of(made).quoted_split == "valid"
