"""All contenders judged together: pairs, verdicts, and what is adjusted for their number."""

import math

import numpy as np
import pytest
from made_up import scored
from scipy.stats import ttest_rel

from bridle.comparison.margins import margin_asked
from bridle.comparison.paired import Paired
from bridle.comparison.statistics import judge, versus
from bridle.errors import InputError
from bridle.metric_info import higher_is_better
from bridle.results import HELPS, HURTS, SAME, UNDECIDED, Run


def of(differences, metric="accuracy", margin=0.0, **facts):
    """The verdict on these differences, each to a baseline of 0, where every difference counts."""
    facts = {"higher_is_better": higher_is_better(metric), "margin": margin, **facts}
    return versus(scored(differences, metric), scored([0.0] * len(differences), metric), metric, **facts)


def together(*contenders, **facts):
    """The verdicts on several contenders' differences of log-loss."""
    facts = {"margin": 0.005, **facts}
    return judge([Paired("log_loss", "valid", values, False, **facts) for values in contenders])


CLEAR = [-0.42, -0.5, -0.38, -0.4, -0.41]
TINY = [0.0004, 0.0005, 0.0002, 0.0003]
NOISE = [-0.03, 0.01, -0.02]
FAINT = [-0.02, -0.05, -0.03, -0.06, -0.01]  # p = 0.021


def test_the_interval_and_p_are_those_of_the_paired_t_test():
    random = np.random.default_rng(1)
    for n in (2, 3, 5, 20):
        ours, theirs = random.normal(0.9, 0.02, n), random.normal(0.88, 0.02, n)
        found = versus(scored(ours.tolist()), scored(theirs.tolist()), "accuracy", higher_is_better=True)
        assert found is not None
        expected = ttest_rel(ours, theirs)
        bounds = expected.confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((bounds.low, bounds.high), rel=1e-9)
        assert found.difference == pytest.approx((ours - theirs).mean(), rel=1e-9)
        assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)
        assert found.p_holm == found.p_value  # alone


@pytest.mark.parametrize(
    ("metric", "rises"), [("accuracy", HELPS), ("r2", HELPS), ("rmse", HURTS), ("log_loss", HURTS), ("profit", HELPS)]
)
def test_the_direction_of_the_metric_decides_between_helps_and_hurts(metric, rises):
    falls = {HELPS: HURTS, HURTS: HELPS}[rises]
    assert of([0.01, 0.011, 0.012], metric).verdict == rises
    assert of([-0.01, -0.011, -0.012], metric).verdict == falls
    assert of([-0.01, 0.011, 0.002], metric).verdict == UNDECIDED


def test_the_direction_of_a_metric_of_ones_own_is_what_it_is_said_to_be():
    assert of([0.01, 0.011, 0.012], "cost", higher_is_better=False).verdict == HURTS


def test_a_certain_difference_of_no_consequence_is_the_same():
    found = of([0.0004, 0.0003, 0.0005], margin=0.002)
    assert (found.p_value < 0.05, found.verdict) == (True, SAME)
    assert of([0.0004, 0.0003, 0.0005], margin=0).verdict == HELPS


def test_a_large_difference_helps_whatever_the_margin():
    assert of([0.04, 0.03, 0.05], margin=0.002).verdict == HELPS


def test_an_uncertain_difference_is_undecided_however_small_its_mean():
    assert of([0.1, -0.1, 0.0], margin=0.002).verdict == UNDECIDED


def test_margins_have_defaults_and_errors_are_judged_relative_to_the_baseline():
    found = versus(scored([39.0, 41.0], "rmse"), scored([40.0, 40.0], "rmse"), "rmse", higher_is_better=False)
    assert found is not None and found.margin == pytest.approx(0.2)
    assert of([0.1, 0.2], margin=None).margin == 0.002
    assert of([0.1, 0.2], "profit", margin=None).margin is None
    assert math.isnan(of([0.1, 0.2], margin=0).p_same)


@pytest.mark.parametrize("margin", [-0.1, math.nan, math.inf, "0.1", True, 10**400, [0.1], 1j])
def test_a_margin_that_is_no_size_is_refused(margin):
    with pytest.raises(InputError, match="margin must be the size"):
        of([0.1, 0.2], margin=margin)


def test_a_margin_is_a_plain_number_however_it_was_given():
    assert [type(margin_asked(each)) for each in (1, np.float32(0.5), np.int64(2))] == [float, float, float]
    assert margin_asked(None) is None


def test_scores_that_no_row_gives_are_the_same_where_the_others_are():
    runs = [Run("x", seed, {"valid": {"accuracy": 0.5, "auroc": math.nan}}, {}, [], 1.0) for seed in range(3)]
    found = versus(runs, runs, "accuracy", higher_is_better=True)
    assert found is not None and found.verdict == SAME and "it changed nothing" in found.words


@pytest.mark.parametrize("ratio", [0.0, -1.0, math.nan, math.inf])
def test_a_ratio_of_rows_that_is_none_is_refused(ratio):
    with pytest.raises(InputError, match="test_to_train must be"):
        of([0.1, 0.2], test_to_train=ratio)


def test_p_values_are_adjusted_for_all_contenders_and_verdicts_follow():
    alone, *_ = together(FAINT)
    one, *others = together(FAINT, NOISE, NOISE)
    assert alone.verdict == HELPS and alone.p_value == one.p_value
    assert one.p_holm == pytest.approx(3 * one.p_value)
    assert {one.verdict, *(each.verdict for each in others)} == {UNDECIDED}
    assert "alone it would count, but among 3 contenders chance may show one such" in one.words


def test_a_contender_that_is_shown_makes_room_for_the_next():
    clear, faint = together(CLEAR, FAINT)
    assert (clear.verdict, faint.verdict) == (HELPS, HELPS)  # 0.021 is judged at 0.05, not at 0.025 ...
    (_, again) = together(NOISE, [1.05 * value + 0.002 for value in FAINT])
    assert again.p_value > 0.025 and again.verdict == UNDECIDED  # ... which it is beside one that is not shown


def test_being_the_same_is_adjusted_as_well():
    values = [0.0018, -0.0029, 0.0052, 0.0018, -0.0035]
    alone, *_ = together(values)
    beside = together(values, NOISE, NOISE)[0]
    assert (alone.verdict, beside.verdict) == (SAME, UNDECIDED)
    assert beside.p_same == pytest.approx(3 * alone.p_same)


def test_every_contender_has_one_verdict_and_the_numbers_say_which():
    random = np.random.default_rng(3)
    for _ in range(40):
        scale, n = random.choice([0.001, 0.004, 0.02]), random.integers(2, 8)
        contenders = [random.normal(random.choice([0, 0.004, 0.02]), scale, n).tolist() for _ in range(4)]
        for found in together(*contenders):
            shown = HELPS if found.difference < 0 else HURTS
            expected = SAME if found.p_same < 0.05 else shown if found.p_holm < 0.05 else UNDECIDED
            assert found.verdict == expected and found.words.startswith(expected)
            if found.verdict == UNDECIDED:
                assert found.seeds_needed is None or found.seeds_needed > n


def test_the_order_of_contenders_does_not_matter():
    forwards, backwards = together(CLEAR, TINY, NOISE), together(NOISE, TINY, CLEAR)
    assert forwards == list(reversed(backwards))


def test_no_contenders_have_no_verdicts():
    assert judge([]) == []


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_pairs_have_no_interval(n):
    assert of([0.01] * n) is None


def test_pairs_are_matched_by_seed_and_not_by_position():
    ours, theirs = scored([0.5, 0.6, 0.7], seeds=[3, 1, 2]), scored([0.4, 0.3, 0.2], seeds=[1, 3, 9])
    found = versus(ours, theirs, "accuracy", higher_is_better=True)
    assert found is not None and found.values == pytest.approx([0.5 - 0.3, 0.6 - 0.4])


def test_a_diverged_run_leaves_its_pair_out_and_the_words_say_so():
    with_nan, without = of([0.01, math.nan, 0.012, 0.011]), of([0.01, 0.012, 0.011])
    assert (with_nan.low, with_nan.high, with_nan.p_value) == (without.low, without.high, without.p_value)
    assert with_nan.words == without.words + "; 1 of 4 seeds left out, where a run has no score"
    assert math.isnan(with_nan.values[1])


@pytest.mark.parametrize("lost", [math.nan, math.inf])
def test_one_finite_pair_is_left_of_many_and_there_is_no_interval(lost):
    assert of([0.01, lost, lost]) is None


def test_two_infinite_scores_are_no_difference_of_zero():
    lost = [0.1, 0.2, math.inf]
    found = versus(scored(lost, "rmse"), scored(lost, "rmse"), "rmse", higher_is_better=False)
    assert found is not None and math.isnan(found.values[2])


def test_a_contender_that_changes_nothing_at_all_is_the_same_even_without_a_margin():
    found = of([0.0, 0.0, 0.0])
    assert (found.low, found.high, found.verdict, found.p_same) == (0.0, 0.0, SAME, 0.0)
    assert found.words == "the same: every score is the baseline's under each of 3 seeds; it changed nothing"


def tied(n, rows=10_000, margin=0.002):
    """The same accuracy under n seeds, but another loss: the contender does something."""
    ours, theirs = scored([0.9] * n), scored([0.9] * n)
    for run in ours:
        run.scores["valid"]["log_loss"] = 0.3
    return versus(ours, theirs, "accuracy", higher_is_better=True, margin=margin, n_rows=rows)


def test_the_same_score_by_chance_is_not_the_same_before_enough_seeds_agree():
    few, enough = tied(4), tied(5)  # 1 in 16, 1 in 32
    assert (few.verdict, few.p_same, few.seeds_needed) == (UNDECIDED, 1 / 16, 5)
    assert few.words == (
        "cannot tell yet (1 more seed with the same result): the same validation accuracy as the baseline under each "
        "of 4 seeds"
    )
    assert (enough.verdict, enough.p_same) == (SAME, 1 / 32)


def test_few_rows_cannot_show_that_a_score_is_the_same():
    assert tied(5, rows=60).verdict == UNDECIDED  # within an eighth of a row
    assert tied(5, rows=60).low < 0 < tied(5, rows=60).high
    assert tied(30, rows=60).verdict == SAME
    assert tied(5, margin=0).verdict == UNDECIDED and tied(5, margin=0).seeds_needed is None


def test_rounding_is_no_spread():
    ours, theirs = [0.3, 0.95], [0.1, 0.75]  # whose differences, 0.2 twice, are not the same float
    assert ours[0] - theirs[0] != ours[1] - theirs[1]
    found = versus(scored(ours), scored(theirs), "accuracy", higher_is_better=True)
    assert found is not None and (found.verdict, math.isnan(found.smallest)) == (UNDECIDED, True)


def test_a_difference_without_spread_is_judged_by_the_sign_test():
    five, six = of([0.1] * 5), of([0.1] * 6)
    assert (five.verdict, five.p_value, five.seeds_needed) == (UNDECIDED, 2 / 32, 6)  # five that agree by chance
    assert five.words == (
        "cannot tell yet (1 more seed with the same result): validation accuracy higher by 10 points under each of "
        "5 seeds"
    )
    assert (five.low, five.high) == (0.0, 0.2)  # no interval that excludes what the verdict does not
    assert (six.verdict, of([-0.1] * 6).verdict) == (HELPS, HURTS)
    assert six.words == "helps: validation accuracy higher by 10.0 points under each of 6 seeds"


def test_seeds_that_agree_are_counted_for_all_contenders_together():
    def beside(n, others):
        return judge(
            [Paired("accuracy", "valid", [0.1] * n, True)] + [Paired("accuracy", "valid", [0.1, -0.1], True)] * others
        )[0]

    assert (beside(6, 0).verdict, beside(6, 4).verdict) == (HELPS, UNDECIDED)
    assert beside(6, 4).seeds_needed == 8 and beside(8, 4).verdict == HELPS


def test_of_few_rows_the_interval_without_spread_has_the_width_of_rounding():
    found = of([1 / 60] * 6, n_rows=60)
    assert found.verdict == HELPS
    assert 60 * (found.high - found.difference) == pytest.approx(2.5706 / math.sqrt(12 * 6), rel=1e-4)


def test_under_splits_of_their_own_the_interval_is_wider_and_nothing_assumes_independence():
    values = [0.02, 0.03, 0.01, 0.04, 0.02]
    fixed, varying = of(values), of(values, test_to_train=0.3)
    assert (varying.high - varying.low) / (fixed.high - fixed.low) == pytest.approx(math.sqrt((0.2 + 0.3) / 0.2))
    assert varying.p_value > fixed.p_value
    assert all(map(math.isnan, (varying.p_permutation, varying.bootstrap_low, varying.bootstrap_high)))
    assert not any(map(math.isnan, (fixed.p_permutation, fixed.bootstrap_low, fixed.bootstrap_high)))


def test_the_same_runs_give_the_same_numbers_to_the_bit():
    values = np.random.default_rng(0).normal(0, 1, 20).tolist()
    assert of(values) == of(values)


def test_losses_on_their_way_out_are_compared_without_overflow():
    found = versus(scored([1e308, 1.2e308], "rmse"), scored([0.0, 0.0], "rmse"), "rmse", higher_is_better=False)
    assert found is not None and found.difference == pytest.approx(1.1e308) and found.p_value < 0.1
