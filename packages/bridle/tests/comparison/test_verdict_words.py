"""Verdicts as sentences."""

import math

import pytest

from bridle.comparison.paired import Paired
from bridle.comparison.statistics import judge


def words(values, metric="log_loss", rising=False, beside=(), wanted=None, **facts):
    """The sentence on these differences, judged beside others."""
    facts = {"margin": 0.005, **facts}
    judged = [Paired(metric, "valid", each, rising, **facts) for each in (values, *beside)]
    return judge(judged, wanted)[0].words


def test_the_direction_is_in_words_and_bounds_are_sizes():
    better, worse = [-0.42, -0.5, -0.38, -0.4, -0.41], [0.42, 0.5, 0.38, 0.4, 0.41]
    assert words(better) == "helps: validation log-loss lower by 0.422 (95 % interval 0.365 to 0.479, 5 seeds)"
    assert words(worse) == "hurts: validation log-loss higher by 0.422 (95 % interval 0.365 to 0.479, 5 seeds)"
    assert words([0.01, 0.011, 0.012], "r2", True).startswith("helps: validation R² higher by 0.0110 (")


def test_an_interval_around_zero_names_both_directions():
    assert words([-0.03, 0.01, -0.02]) == (
        "cannot tell yet (about 48 more seeds): validation log-loss lower by 0.013 (95 % interval 0.065 lower to 0.038 "
        "higher, 3 seeds); 3 seeds show 0.11 in 80 % of cases"
    )


def test_accuracy_is_in_points_and_of_few_rows_in_rows():
    values, facts = [1 / 60, 2 / 60, 1 / 60, 1 / 60, 2 / 60], {"metric": "accuracy", "rising": True, "margin": 0.002}
    assert words(values, n_rows=60, **facts) == (
        "helps: validation accuracy higher by 2.3 points, about 1 row of 60 (95 % interval 1.1 to 3.6, 5 seeds)"
    )
    assert "row" not in words(values, n_rows=60_000, **facts) and "row" not in words(values, **facts)
    assert "lower by 0.3 points, less than 1 row of 60 (" in words([0.005, -0.011], n_rows=60, **facts)


def test_the_same_says_within_what():
    assert words([0.0004, 0.0005, 0.0002, 0.0003]) == (
        "the same within 0.005: validation log-loss higher by 0.00035 (95 % interval 0.00014 to 0.00056, 4 seeds)"
    )
    points = words([0.0004, 0.0005, 0.0002, 0.0003], "accuracy", True, margin=0.002)
    assert points.startswith("the same within 0.2 points: validation accuracy higher by 0.035 points (")


def test_a_metric_of_ones_own_has_its_name():
    assert "validation profit higher by 0.0110 (" in words([0.01, 0.011, 0.012], "profit", True, margin=0)


def test_the_unit_of_the_target_is_whole_where_it_is_large():
    assert words([1203.0, 900.0, 1100.0], "rmse", margin=262.0) == (
        "hurts: validation RMSE higher by 1068 (95 % interval 685 to 1450, 3 seeds)"
    )


def test_no_bound_is_rounded_to_zero():
    values = [0.0, 0.21, 0.4, 0.214, 0.3]
    low, _ = Paired("log_loss", "valid", values, False).interval
    assert "(95 % interval 0.003 to 0.37, " in words([value - low + 0.003 for value in values])
    assert "(95 % interval 0.003 lower to 0.36 higher, " in words([value - low - 0.003 for value in values])


def test_what_more_seeds_cannot_settle_is_said():
    small = [0.03, -0.027, 0.026, -0.028, 0.0]
    assert words(small, margin=0.0).startswith("cannot tell yet (more than 1000 seeds): ")
    assert words(small, test_to_train=0.25).startswith("cannot tell yet (more rows would tell, more seeds would not): ")


def test_seeds_that_an_interrupt_left_out_are_said():
    assert "(95 % interval 0.04 to 0.81, 3 of 5 seeds so far)" in words([0.3, 0.6, 0.38], wanted=5, margin=0)
    assert "so far" not in words([0.3, 0.6, 0.38], wanted=3)


def test_seeds_left_out_where_runs_diverged_are_not_those_of_an_interrupt():
    told = words([0.3, math.nan, 0.38, 0.4], wanted=4)
    assert "3 seeds)" in told and told.endswith("; 1 of 4 seeds left out, where a run has no score")


def test_differences_that_cancel_are_no_difference():
    assert ": no difference in validation log-loss (95 % interval 1.3 lower to 1.3 higher, 2 seeds)" in words(
        [0.1, -0.1]
    )


@pytest.mark.parametrize(
    ("metric", "scale"), [("log_loss", 1.0), ("accuracy", 0.01), ("rmse", 1e4), ("r2", 0.1), ("ece", 0.05)]
)
def test_no_sentence_has_a_number_that_is_none(metric, scale):
    for values in ([0.3, 0.1], [0.1, 0.1, 0.1], [0.0, 0.0], [0.5, -0.2, 0.1, 0.9], [1e-9, 2e-9], [1e6, -3.0, 1.0]):
        told = words([scale * value for value in values], metric, True, margin=0.002 * scale, n_rows=50)
        assert not {"nan", "inf", "None", "-", "+0"} & set(told.replace("log-loss", "").split())
        assert " -" not in told and "+" not in told.replace("e+", "e")
