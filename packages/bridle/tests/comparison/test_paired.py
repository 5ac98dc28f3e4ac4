"""The numbers of one contender, against what SciPy, statsmodels and baycomp compute."""

import math

import numpy as np
import pytest
from scipy.stats import bootstrap, norm, permutation_test, t

from bridle.comparison.paired import Paired, bootstrap_interval, holm, permutation_p, student_quantile
from needed import library


def of(values, margin=0.0, **facts):
    """These differences of a log-loss."""
    return Paired("log_loss", "valid", list(values), False, margin, **facts)


def drawn(n, mean=0.3, seed=0):
    """n differences."""
    return np.random.default_rng([seed, n]).normal(mean, 1.0, n).tolist()


@pytest.mark.parametrize("n", [2, 3, 5, 20, 300])
def test_student_s_distribution_is_scipy_s(n):
    for chance in (0.975, 0.9975, 0.99975):
        assert student_quantile(chance, n - 1) == pytest.approx(t.ppf(chance, n - 1), rel=1e-9)
    found = of(drawn(n))
    assert found.p_value == pytest.approx(2 * t.sf(abs(found.mean) / found.standard_error, n - 1), rel=1e-9)


@pytest.mark.parametrize("n", [5, 20])
def test_the_interval_of_overlapping_splits_is_that_of_the_correlated_t_test(n):
    baycomp = library("baycomp")
    values, folds = np.array(drawn(n)), 5
    found = of(values, test_to_train=1 / (folds - 1))
    baseline = np.zeros(n)
    worse, better = baycomp.CorrelatedTTest.probs(baseline, values, rope=0, runs=n / folds)
    # Bayesian and frequentist agree for this test: the posterior of the mean is the same Student distribution.
    assert found.p_value == pytest.approx(2 * min(worse, better), rel=1e-6)
    low, high = found.interval
    mean, variance, freedom = baycomp.CorrelatedTTest.compute_statistics(baseline, values, n / folds)
    assert (low, high) == pytest.approx(t.interval(0.95, freedom, mean, math.sqrt(variance)), rel=1e-6)


@pytest.mark.parametrize("mean", [0.0, 0.3, -2.0])
def test_equivalence_is_that_of_two_one_sided_tests(mean):
    weightstats = library("statsmodels.stats.weightstats")
    values = drawn(8, mean)
    p, _, _ = weightstats.ttost_paired(np.array(values), np.zeros(8), -0.9, 0.9)
    assert of(values, margin=0.9).p_same == pytest.approx(p, rel=1e-9)


def test_the_adjustment_is_holm_s():
    multitest = library("statsmodels.stats.multitest")
    random = np.random.default_rng(0)
    for n in (1, 2, 5, 20):
        p_values = (random.random(n) ** 3).tolist()
        _, expected, _, _ = multitest.multipletests(p_values, method="holm")
        assert holm(p_values) == pytest.approx(expected)


def test_a_p_value_that_was_not_asked_counts_for_nothing():
    assert holm([0.01, math.nan, 0.03]) == pytest.approx([0.02, math.nan, 0.03], nan_ok=True)
    assert holm([]) == []


@pytest.mark.parametrize("n", [2, 5, 11])
def test_flips_of_few_seeds_are_all_tried(n):
    values = drawn(n, 0.6)
    sample = np.array([values])
    expected = permutation_test(sample, lambda x: float(x.mean()), permutation_type="samples", vectorized=False)
    assert permutation_p(values) == pytest.approx(expected.pvalue)


def test_flips_of_many_seeds_are_drawn_always_alike_and_near_the_exact_value():
    values = drawn(17, 0.5)
    all_signs = 2 * ((np.arange(2**17)[:, None] >> np.arange(17)) & 1) - 1
    exact = np.mean(np.abs(all_signs @ values) >= abs(sum(values)) - 1e-9)
    assert permutation_p(values) == permutation_p(values) == pytest.approx(exact, abs=4 * math.sqrt(exact / 2**16))


def test_flips_never_promise_more_than_so_few_seeds_can_hold():
    assert permutation_p([5.0] * 4) == 2 / 16
    assert permutation_p([0.0] * 4) == 1.0
    assert permutation_p([1.0, -1.0]) == 1.0


def test_the_bootstrap_interval_is_scipy_s_bca():
    values = drawn(12)
    level = 1 - 2 * norm.sf(math.sqrt(12 / 11) * t.ppf(0.975, 11))
    expected = bootstrap(
        (values,), np.mean, n_resamples=20_000, confidence_level=level, random_state=np.random.default_rng(5)
    ).confidence_interval
    assert bootstrap_interval(values) == pytest.approx((expected.low, expected.high), abs=0.03)
    assert bootstrap_interval(values) == bootstrap_interval(values)


def test_the_bootstrap_interval_of_normal_values_is_about_student_s():
    values = drawn(200)
    assert bootstrap_interval(values) == pytest.approx(of(values).interval, abs=0.02)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_bootstrap_has_no_interval_where_it_could_not_hold_the_mean(n):
    assert all(map(math.isnan, bootstrap_interval(drawn(n))))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "values",
    [[0.0, 0.0], [0.3] * 3, [0.0] * 4 + [1.0], [0.0] * 19 + [1e-300], [1e308, -1e308] * 3, [5e-324, 0.0] * 3],
)
def test_degenerate_differences_have_finite_numbers_and_no_warnings(values):
    low, high = bootstrap_interval(values)
    assert min(values) <= low <= high <= max(values)
    assert 0 < permutation_p(values) <= 1
    found = of(values, margin=0.005)
    assert 0 <= found.p_value <= 1 and 0 <= found.p_same <= 1


def test_to_the_spread_of_an_accuracy_that_of_its_rounding_to_rows_is_added():
    almost_equal = [0.0] * 24 + [1 / 60]
    found = Paired("accuracy", "valid", almost_equal, True, n_rows=60)
    assert found.sd == pytest.approx(math.hypot(1 / 60 / 5, 1 / 60 / math.sqrt(12)))
    assert Paired("accuracy", "valid", almost_equal, True).sd == pytest.approx(1 / 60 / 5)
    assert Paired("brier", "valid", almost_equal, True, n_rows=60).sd == pytest.approx(1 / 60 / 5)
