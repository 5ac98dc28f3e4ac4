"""What seeds can show: promises are kept, and agree with the textbook where the spread is known."""

import math
from dataclasses import replace

import numpy as np
import pytest

from bridle.comparison.paired import Paired
from bridle.comparison.power import chance_same, chance_shown, detectable, seeds_needed, smallest_difference
from needed import library

LEVEL = 0.05


def of(values, margin=0.0, **facts):
    """These differences of a log-loss."""
    return Paired("log_loss", "valid", list(values), False, margin, **facts)


def with_effect(effect, n):
    """n differences whose mean is so many standard deviations."""
    values = np.random.default_rng(n).normal(size=n)
    return ((values - values.mean()) / values.std(ddof=1) + effect).tolist()


@pytest.mark.parametrize("n", [2, 3, 5, 10, 40])
@pytest.mark.parametrize("level", [0.05, 0.005])
def test_where_the_spread_is_known_the_chance_is_that_of_the_noncentral_t(n, level):
    power = library("statsmodels.stats.power")
    for difference in (0.5, 3.0, 8.0):
        expected = power.TTestPower().power(difference / math.sqrt(n), n, level, alternative="larger")  # one-sided ...
        found = chance_shown(10**6, n, difference, 2 * level)  # ... as the wrong sign is no success here either
        assert found == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize("n", [2, 3, 5, 10])
@pytest.mark.parametrize("level", [0.05, 0.005])
def test_a_promise_is_kept_where_the_spread_is_estimated(n, level):
    random, studies = np.random.default_rng(n), 200_000
    promised = detectable(n, level) * random.normal(size=(studies, n)).std(1, ddof=1) / math.sqrt(n)
    again = random.normal(size=(studies, n)) + promised[:, None]
    t_values = again.mean(1) / again.std(1, ddof=1) * math.sqrt(n)
    p = library("scipy.stats").t.sf(t_values, n - 1)
    assert np.mean(p < level / 2) == pytest.approx(0.8, abs=0.005)


def test_a_promise_that_took_the_spread_as_known_would_be_broken():
    known = 5.6535  # standard errors that three seeds show in 80 % of cases under a known spread
    assert chance_shown(10**6, 3, known, LEVEL) == pytest.approx(0.8, abs=0.002)
    assert chance_shown(3, 3, known, LEVEL) == pytest.approx(0.63, abs=0.005)
    assert chance_shown(3, 3, detectable(3, LEVEL), LEVEL) == pytest.approx(0.8, abs=1e-4)


def test_the_chance_to_be_called_the_same_is_what_a_simulation_gives():
    random, n = np.random.default_rng(0), 6
    known = np.sqrt(random.chisquare(3, 100_000) / 3)[:, None]
    values = random.normal(size=(100_000, n)) + 0.5 * known / math.sqrt(n)
    error = values.std(1, ddof=1) / math.sqrt(n)
    inside = (4.0 * known[:, 0] / math.sqrt(n) - np.abs(values.mean(1))) / error
    same = library("scipy.stats").t.sf(inside, n - 1) < 0.05
    assert chance_same(4, n, 0.5, 4.0, 0.05) == pytest.approx(same.mean(), abs=0.006)


def test_the_smallest_difference_is_larger_than_the_interval_s_half_width():
    found = of(with_effect(0.2, 5))
    low, high = found.interval
    assert smallest_difference(found, LEVEL) > (high - low) / 2


def test_more_contenders_need_larger_differences_and_more_seeds():
    found = of(with_effect(1.0, 5))
    assert smallest_difference(found, LEVEL / 10) > 1.5 * smallest_difference(found, LEVEL)
    alone, among_ten = (seeds_needed(found, level, level) for level in (LEVEL, LEVEL / 10))
    assert alone is not None and among_ten is not None and among_ten > alone


@pytest.mark.parametrize("effect", [0.3, 0.7, 1.5])
def test_the_seeds_asked_for_are_the_fewest_that_show_it(effect):
    found = of(with_effect(effect, 6))
    needed = seeds_needed(found, LEVEL, LEVEL)
    assert needed is not None
    assert chance_shown(6, needed, effect * math.sqrt(needed), LEVEL) >= 0.8
    assert chance_shown(6, needed - 1, effect * math.sqrt(needed - 1), LEVEL) < 0.8


def test_a_difference_of_the_smallest_size_needs_the_seeds_that_are_there():
    found = of(with_effect(0.1, 7))
    moved = replace(found, values=[value - found.mean + smallest_difference(found, LEVEL) for value in found.values])
    assert seeds_needed(moved, LEVEL, LEVEL) in (7, 8)  # rounding


def test_what_is_settled_by_the_margin_first_needs_fewer_seeds():
    found = of(with_effect(0.05, 6))
    assert seeds_needed(found, LEVEL, LEVEL) is None  # 1000 would not show so small a difference
    within = seeds_needed(replace(found, margin=0.8), LEVEL, LEVEL)
    assert within is not None and 6 < within < 40


def test_where_splits_overlap_more_seeds_do_not_help_for_ever():
    found = of(with_effect(0.5, 6))
    assert seeds_needed(found, LEVEL, LEVEL) is not None
    assert seeds_needed(replace(found, test_to_train=0.25), LEVEL, LEVEL) is None


def test_without_any_spread_the_smallest_difference_is_not_known():
    assert math.isnan(smallest_difference(of([0.1, 0.1, 0.1]), LEVEL))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("values", [[0.0, 0.0], [1.0, -1.0], [5e-324, 0.0], [1e308, 0.0], [0.1, 0.1]])
def test_strange_differences_need_some_number_of_seeds_or_none(values):
    for margin in (0.0, 0.005):
        needed = seeds_needed(of(values, margin), LEVEL, LEVEL)
        assert needed is None or 2 <= needed <= 1000
