"""Methods ranked over several studies, against scikit-posthocs, baycomp and Demšar's example."""

import json
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.stats import friedmanchisquare

from bridle.comparison.across import Ranking, critical_difference, friedman, rank_studies, signed_rank
from bridle.errors import InputError
from bridle.results import Contender, Reference, Study, Summary
from needed import library

NAMES = ("none", "Dropout(rate=0.2)", "BatchNorm()", "L2(strength=0.01)")
# Demšar 2006, table 6: AUC of C4.5 with m, cf and both tuned, on 14 data sets; 0.9751 is printed as 0.975.
DEMSAR = np.array(
    [
        [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.0, 0.940, 0.619, 0.972, 0.957],
        [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.0, 0.962, 0.666, 0.981, 0.978],
        [0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1.0, 0.965, 0.614, 0.9751, 0.946],
        [0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1.0, 0.962, 0.669, 0.975, 0.970],
    ]
)


def summaries(score: float, metric: str, splits: tuple[str, ...]) -> dict[str, dict[str, Summary]]:
    """Return the scores of one method: the same on every split."""
    return {split: {metric: Summary(score, 0.0, [score])} for split in splits}


def study(name: str, scores: Any, metric: str = "auroc", **changes: Any) -> Study:
    """Return a study with one contender for each score."""
    splits = changes.pop("splits_measured", ("train", "valid", "test"))
    contenders = [
        Contender([], method, summaries(score, metric, splits), 0.0, 0.0, 1.0, None, [])
        for method, score in zip(changes.pop("names", NAMES), scores, strict=True)
    ]
    fields: dict[str, Any] = {"higher_is_better": metric not in ("log_loss", "rmse"), **changes}
    return Study({"name": name}, "mlp(8)", {}, [0], contenders, metric, "torch", {}, **fields)


def studies(table: Any, metric: str = "auroc", **changes: Any) -> list[Study]:
    """Return a study for each column."""
    return [study(f"data {column}", scores, metric, **changes) for column, scores in enumerate(np.array(table).T)]


@pytest.fixture(scope="module")
def demsar() -> Ranking:
    """Return the example of the paper, ranked."""
    return rank_studies(studies(DEMSAR), margin=0.0)


def test_ranks_and_tests_are_those_of_the_paper(demsar):
    by_name = dict(zip(demsar.methods, demsar.average_ranks, strict=True))
    assert [round(by_name[name], 3) for name in NAMES] == [3.143, 2.000, 2.893, 1.964]
    assert demsar.p_friedman == pytest.approx(friedmanchisquare(*DEMSAR).pvalue)
    assert demsar.p_iman_davenport < demsar.p_friedman < 0.05
    assert demsar.critical_difference == pytest.approx(1.25, abs=0.005)


@pytest.mark.parametrize(("methods", "quantile"), [(2, 1.960), (4, 2.569), (7, 2.949), (10, 3.164)])
def test_critical_values_are_those_of_the_paper_s_table(methods, quantile):
    expected = quantile * math.sqrt(methods * (methods + 1) / (6 * 20))
    assert critical_difference(methods, 20) == pytest.approx(expected, rel=1e-3)


def test_pairs_have_nemenyi_s_p_values(demsar):
    expected = library("scikit_posthocs").posthoc_nemenyi_friedman(DEMSAR.T)
    for pair in demsar.pairs:
        theirs = expected.loc[NAMES.index(pair.first), NAMES.index(pair.second)]
        assert pair.p_nemenyi == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("margin", [0.0, 0.005, 0.01])
@pytest.mark.parametrize("other", [0, 1, 2])
def test_win_probabilities_are_those_of_baycomp(margin, other):
    tests = library("baycomp").SignedRankTest
    expected = tests.probs(DEMSAR[other], DEMSAR[3], rope=margin, nsamples=20_000, random_state=1)
    first, same, second = signed_rank(DEMSAR[3] - DEMSAR[other], margin)
    worse, *within, better = expected
    assert (first, second) == pytest.approx((better, worse), abs=0.015)
    assert same == pytest.approx(within[0] if margin else 0.0, abs=0.015)


def test_win_probabilities_are_always_the_same_and_symmetric():
    gains = DEMSAR[3] - DEMSAR[0]
    assert signed_rank(gains, 0.01) == signed_rank(gains, 0.01)
    assert signed_rank(-gains, 0.01) == pytest.approx(signed_rank(gains, 0.01)[::-1])
    assert signed_rank(np.zeros(5), 0.0) == (0.5, 0.0, 0.5)
    assert signed_rank(np.zeros(5), 0.01) == (0.0, 1.0, 0.0)


def test_wins_within_the_margin_are_ties():
    found = rank_studies(studies([[0.9, 0.9, 0.9, 0.9], [0.8, 0.899, 0.899, 0.95]], names=NAMES[:2]), margin=0.002)
    (pair,) = found.pairs
    assert (pair.first, pair.wins, pair.ties, pair.losses) == ("none", 1, 2, 1)
    assert pair.p_sign == 1.0


def test_the_sign_test_counts_wins_against_losses():
    found = rank_studies(studies([[0.9] * 8, [0.8] * 7 + [0.95]], names=NAMES[:2]))
    assert (found.pairs[0].wins, found.pairs[0].losses) == (7, 1)
    assert found.pairs[0].p_sign == pytest.approx(2 * 9 / 256)


def test_of_two_methods_there_are_no_tests_of_many():
    found = rank_studies(studies([[0.9, 0.9], [0.8, 0.8]], names=NAMES[:2]))
    assert math.isnan(found.p_friedman) and math.isnan(found.p_iman_davenport)


@pytest.mark.filterwarnings("error")
def test_methods_that_always_tie_or_never_do_have_p_values():
    assert friedman(np.full((3, 4), 2.0)) == (1.0, 1.0)
    always = np.array([[1.0] * 4, [2.0] * 4, [3.0] * 4])
    p_friedman, p_iman_davenport = friedman(always)
    assert p_friedman == pytest.approx(friedmanchisquare(*always).pvalue) and p_iman_davenport == 0.0


@pytest.mark.parametrize(("metric", "best"), [("auroc", NAMES[3]), ("log_loss", NAMES[0])])
def test_the_direction_of_the_metric_decides_who_is_first(metric, best):
    found = rank_studies(studies([[0.1] * 3, [0.2] * 3, [0.3] * 3, [0.4] * 3], metric))
    assert found.methods[0] == best and found.average_ranks == [1.0, 2.0, 3.0, 4.0]
    assert found.pairs[0].first == best and found.pairs[0].wins == 3


def test_errors_in_other_units_are_compared_as_ratios():
    found = rank_studies(studies([[1.0, 1000.0], [1.004, 1004.0], [1.1, 1001.0]], "rmse", names=NAMES[:3]))
    by_names = {(pair.first, pair.second): (pair.wins, pair.ties, pair.losses) for pair in found.pairs}
    assert by_names[NAMES[0], NAMES[1]] == (0, 2, 0) and by_names[NAMES[0], NAMES[2]] == (1, 1, 0)
    assert found.scores[0] == [1.0, 1000.0]  # as they are


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("lost", [math.nan, math.inf])
def test_a_score_that_is_not_finite_is_the_worst_of_its_study(lost):
    found = rank_studies(studies([[lost, 0.1, 0.1], [0.2] * 3, [lost, 0.3, 0.3], [0.5] * 3], "log_loss"))
    by_name = dict(zip(found.methods, found.ranks, strict=True))
    assert by_name["none"] == [3.5, 1.0, 1.0] and by_name["BatchNorm()"] == [3.5, 3.0, 3.0]
    assert all(pair.wins + pair.ties + pair.losses in (2, 3) for pair in found.pairs)


def test_tuned_contenders_go_by_what_was_asked_and_references_stand_among_them():
    several = studies(DEMSAR[:2, :3], names=NAMES[:2])
    for number, each in enumerate(several):
        each.contenders[1].asked, each.contenders[1].name = "Dropout()", f"Dropout(rate=0.{number + 1})"
        each.references.append(Reference("linear model", "", summaries(0.99, "auroc", ("train", "valid", "test")), 1.0))
    found = rank_studies(several)
    assert found.methods[0] == "linear model" and set(found.methods) == {"linear model", "none", "Dropout()"}
    assert "linear model" not in rank_studies(several, references=False).methods


def test_what_some_study_lacks_is_left_out_and_said():
    several = [study("a", [0.1, 0.2, 0.3], names=NAMES[:3]), study("b", [0.1, 0.2, 0.3], names=(*NAMES[:2], NAMES[3]))]
    found = rank_studies(several)
    assert set(found.methods) == set(NAMES[:2]) and found.left_out == [NAMES[2], NAMES[3]]
    assert f"left out: {NAMES[2]}, {NAMES[3]}." in str(found)


def test_a_reference_without_this_score_is_left_out_as_is_a_contender_without_runs():
    several = studies(DEMSAR[:, :3])
    for each in several:
        each.references.append(Reference("without early stopping", "", summaries(0.9, "auroc", ("valid",)), 0.0))
    several[1].contenders[3].scores["test"]["auroc"] = Summary(math.nan, math.nan, [])
    found = rank_studies(several)
    assert set(found.methods) == set(NAMES[:3]) and found.left_out == [NAMES[3]]
    assert "without early stopping" in rank_studies(several, split="valid").methods


def test_a_metric_of_ones_own_that_is_not_the_same_everywhere_is_refused():
    several = [study(name, [0.1] * 4, "gain", higher_is_better=name != "b") for name in "abc"]
    assert refusal(several).startswith("gain is better the higher in a, c and the lower in b, so it is not one metric")
    assert refusal(several[1::-1], metric="gain").startswith("gain is better the higher in a and the lower in b")
    falling = [study(name, [0.4, 0.3, 0.2, 0.1], "gain", higher_is_better=False) for name in "ab"]
    found = rank_studies(falling)
    assert not found.higher_is_better and found.methods[0] == NAMES[3]


def test_what_chooses_otherwise_is_ranked_by_a_metric_that_all_have():
    one, other = study("a", [0.1, 0.2, 0.3, 0.4]), study("b", [0.1] * 4, "gain", higher_is_better=False)
    for each in other.contenders:
        each.scores["test"]["auroc"] = Summary(0.5, 0.0, [0.5])
    assert rank_studies([other, one], metric="auroc").methods[0] == NAMES[3]


def test_data_of_one_name_are_told_apart():
    assert rank_studies([study("a", [0.1] * 4), study("a", [0.2] * 4)]).studies == ["a", "a (2)"]


def test_it_is_plain_data_and_a_table(demsar):
    plain = json.loads(json.dumps(demsar.to_json(), allow_nan=False))
    assert plain["methods"] == demsar.methods and plain["pairs"][0]["first"] == demsar.methods[0]
    lines = str(demsar).splitlines()
    assert lines[0].startswith("average ranks over 14 studies (test AUROC, 1 is best): data 0, data 1")
    assert [line.split()[0] for line in lines[3:7]] == demsar.methods
    assert "Ranks closer than 1.25 are not told apart (Nemenyi, 5 %)." in str(demsar)


def test_groups_hold_neighbours_that_are_not_told_apart(demsar):
    ranks = dict(zip(demsar.methods, demsar.average_ranks, strict=True))
    assert demsar.groups
    for group in demsar.groups:
        assert max(ranks[each] for each in group) - min(ranks[each] for each in group) < demsar.critical_difference
    together = {frozenset(pair) for group in demsar.groups for pair in pairwise(group)}
    for first, second in pairwise(demsar.methods):
        near = ranks[second] - ranks[first] < demsar.critical_difference
        assert near == (frozenset((first, second)) in together)


def refusal(several: list[Study], **facts: Any) -> str:
    """Return the message with which these studies are refused."""
    with pytest.raises(InputError) as error:
        rank_studies(several, **facts)
    return str(error.value)


def test_studies_that_cannot_be_ranked_together_are_refused_in_a_sentence():
    one, other = study("a", [0.1] * 4), study("b", [0.1] * 4, "log_loss")
    assert refusal([one]) == "ranks need two studies or more, on different data, got 1"
    assert refusal([one, other]).startswith("the studies chose by different metrics (auroc, log_loss)")
    assert (
        refusal([one, other, one])
        == "the studies of a and a (2) are of the same data, which would count twice; give one of them"
    )
    again = study("a", [0.2] * 4)
    assert refusal([one, again], metric="ece") == "the study of a has no ece; it has auroc"
    without = study("c", [0.1] * 4, splits_measured=("train", "valid"))
    assert refusal([one, without]) == "the study of c has no test rows; rank on one of train, valid"
    assert refusal([one, study("d", [0.1], names=["mine"])]).startswith("the studies have fewer than two contenders")
    twice = [study(name, [0.1] * 4) for name in "ab"]
    for each in twice:
        each.data["fingerprint"] = "1234"
    assert refusal(twice).startswith("the studies of a and b are of the same data, which would count twice")
    assert refusal([one, again], margin=-1).startswith("margin must be the size")
