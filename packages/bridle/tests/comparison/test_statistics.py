"""Paired differences: the interval, the verdict, and the words."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_rel

from bridle.comparison.statistics import half_width, versus
from bridle.results import Run


def runs(values, metric="accuracy", seeds=None):
    """One run per value, without training; nan is a run that diverged."""
    seeds = range(len(values)) if seeds is None else seeds
    return [
        Run("x", seed, {"valid": {metric: value}}, {}, [], 1.0, diverged_at=2 if math.isnan(value) else None)
        for seed, value in zip(seeds, values, strict=True)
    ]


def of(differences, metric="accuracy"):
    """The verdict on these differences, each to a baseline of 0."""
    return versus(runs(differences, metric), runs([0.0] * len(differences), metric), metric)


def test_the_interval_is_that_of_the_paired_t_test():
    random = np.random.default_rng(1)
    for n in (2, 3, 5, 20):
        ours, theirs = random.normal(0.9, 0.02, n), random.normal(0.88, 0.02, n)
        found = versus(runs(ours.tolist()), runs(theirs.tolist()), "accuracy")
        assert found is not None
        expected = ttest_rel(ours, theirs).confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
        assert found.difference == pytest.approx((ours - theirs).mean(), rel=1e-9)
        assert found.smallest == pytest.approx((found.high - found.low) / 2)


@pytest.mark.parametrize("seeds", [3, 5])
def test_the_interval_holds_the_true_difference_95_times_in_100(seeds):
    samples = np.random.default_rng(seeds).normal(0.3, 1.0, (4000, seeds))
    held = [abs(sample.mean() - 0.3) <= half_width(sample.tolist()) for sample in samples]
    assert np.mean(held) == pytest.approx(0.95, abs=0.012)  # 3.5 standard errors


def test_without_an_effect_a_verdict_is_given_5_times_in_100():
    samples = np.random.default_rng(7).normal(0.0, 0.01, (2000, 5))
    verdicts = [of(sample.tolist()).verdict for sample in samples]
    assert np.mean([verdict != "no difference shown" for verdict in verdicts]) == pytest.approx(0.05, abs=0.018)


@pytest.mark.parametrize(
    ("metric", "rises"), [("accuracy", "helps"), ("r2", "helps"), ("rmse", "hurts"), ("loss", "hurts")]
)
def test_the_direction_of_the_metric_decides_between_helps_and_hurts(metric, rises):
    falls = {"helps": "hurts", "hurts": "helps"}[rises]
    assert of([0.01, 0.011, 0.012], metric).verdict == rises
    assert of([-0.01, -0.011, -0.012], metric).verdict == falls
    assert of([-0.01, 0.011, 0.002], metric).verdict == "no difference shown"


def test_the_verdict_is_a_sentence_with_its_interval_and_seeds():
    words = of([0.004, 0.006, 0.008, 0.005, 0.007]).words
    assert words == "helps: +0.60 points of validation accuracy (95 % interval +0.40 to +0.80, 5 seeds)"


def test_the_undecided_sentence_says_the_smallest_difference_that_would_have_shown():
    found = of([0.004, -0.006, 0.001])
    expected = f"the smallest they could: {100 * found.smallest:.2f})"
    assert found.words.startswith("no difference that 3 seeds can show (-0.03 points of validation accuracy; ")
    assert found.words.endswith(expected)


def test_regression_is_said_in_the_metric_s_own_unit():
    assert of([0.01, 0.011, 0.012], "r2").words.startswith("helps: +0.011 of validation R2 (95 % interval +0.008516 to")


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_pairs_have_no_interval(n):
    assert of([0.01] * n) is None


def test_pairs_are_matched_by_seed_and_not_by_position():
    found = versus(runs([0.5, 0.6, 0.7], seeds=[3, 1, 2]), runs([0.4, 0.3, 0.2], seeds=[1, 3, 9]), "accuracy")
    assert found is not None and found.values == pytest.approx([0.5 - 0.3, 0.6 - 0.4])


def test_a_diverged_run_leaves_its_pair_out_and_the_words_say_so():
    with_nan, without = of([0.01, math.nan, 0.012, 0.011]), of([0.01, 0.012, 0.011])
    assert (with_nan.low, with_nan.high) == (without.low, without.high)
    assert with_nan.words == without.words + "; 1 of 4 seeds left out, where a run diverged"
    assert math.isnan(with_nan.values[1])


def test_one_finite_pair_is_left_of_many_and_there_is_no_interval():
    assert of([0.01, math.nan, math.nan]) is None


def test_the_same_score_under_every_seed_is_no_difference():
    found = of([0.0, 0.0, 0.0])
    assert (found.low, found.high, found.verdict) == (0.0, 0.0, "no difference shown")
    assert found.words == "no difference: the same score as the baseline under each of 3 seeds"


def test_rounding_is_no_spread():
    ours, theirs = [0.3, 0.95], [0.1, 0.75]  # whose differences, 0.2 twice, are not the same float
    assert ours[0] - theirs[0] != ours[1] - theirs[1]
    found = versus(runs(ours), runs(theirs), "accuracy")
    assert found is not None and (found.verdict, found.smallest) == ("no difference shown", 0.0)


def test_a_difference_without_spread_is_judged_by_the_sign_test():
    assert of([0.1] * 5).verdict == "no difference shown"  # five that agree by chance: 2 in 32
    assert "6 seeds that agree would show it" in of([0.1] * 5).words
    assert of([0.1] * 6).verdict == "helps"
    assert of([-0.1] * 6).verdict == "hurts"
    assert of([0.1] * 6).words == "helps: +10.00 points of validation accuracy under each of 6 seeds"
