"""Contenders made from runs: what is judged, and what stands beside it."""

import json
import math

import numpy as np
import pytest

from bridle import L2, Dropout, Recipe
from bridle.comparison.verdicts import contenders
from bridle.json_decoding import decode
from bridle.results import HELPS, SAME, UNDECIDED, Contender, Run, to_plain

NONE, DROPOUT, DECAY = Recipe(), Recipe.of(Dropout(rate=0.2)), Recipe.of(L2(strength=0.1))
ROWS = {"train": 600, "valid": 200, "test": 200}
CLASSES, NUMBERS = ("log_loss", "accuracy", "auroc"), ("r2", "rmse")


def runs(recipe, effect, *, seeds=5, metrics=CLASSES, splits=("train", "valid", "test"), diverged=()):
    """Runs whose scores lie about a level that the effect moves."""
    random = np.random.default_rng(len(str(recipe)))
    found = []
    for seed in range(seeds):
        scores = {split: {name: 0.5 + effect + 0.01 * random.normal() for name in metrics} for split in splits}
        if seed in diverged:
            scores = {split: dict.fromkeys(each, math.nan) for split, each in scores.items()}
        stopped = 1 if seed in diverged else None
        found.append(Run(str(recipe), seed, scores, {"epoch": [1.0]}, [], 1.0, diverged_at=stopped))
    return found


def judged(by_recipe, metric="log_loss", *, higher_is_better=False, rows=ROWS, seeds_wanted=5, **facts):
    """The contenders."""
    return contenders(
        by_recipe, metric, higher_is_better=higher_is_better, rows=rows, seeds_wanted=seeds_wanted, **facts
    )


def three(**changes):
    """A baseline, one that helps, and one that does hardly anything."""
    return {NONE: runs(NONE, 0, **changes), DROPOUT: runs(DROPOUT, -0.1, **changes), DECAY: runs(DECAY, 0, **changes)}


def test_contenders_keep_their_order_and_the_first_is_the_baseline():
    baseline, dropout, decay = judged(three())
    assert [each.name for each in (baseline, dropout, decay)] == [str(NONE), str(DROPOUT), str(DECAY)]
    assert baseline.versus_baseline is None and baseline.others == []
    assert dropout.versus_baseline.verdict == HELPS and decay.versus_baseline.verdict == UNDECIDED
    assert dropout.versus_baseline.p_holm == pytest.approx(2 * dropout.versus_baseline.p_value)


def test_beside_the_verdict_stand_the_other_metric_and_the_test_rows_without_a_verdict():
    _, dropout, _ = judged(three())
    assert [(each.metric, each.split) for each in dropout.others] == [
        ("accuracy", "valid"),
        ("log_loss", "test"),
        ("accuracy", "test"),
    ]
    assert {(each.verdict, each.words) for each in dropout.others} == {("", "")}
    test = dropout.versus("log_loss", "test")
    assert test is not None and test.low < test.difference < test.high < 0 and math.isnan(test.p_holm)
    assert dropout.versus("log_loss", "valid") is dropout.versus_baseline


def test_another_main_metric_has_both_default_ones_beside_it():
    _, dropout, _ = judged(three(), "auroc", higher_is_better=True)
    assert dropout.versus_baseline.metric == "auroc"
    assert [each.metric for each in dropout.others if each.split == "valid"] == ["log_loss", "accuracy"]


def test_regressions_have_rmse_beside_r2_and_a_metric_of_ones_own_has_both():
    changes = {"metrics": ("profit", *NUMBERS)}
    assert judged(three(**changes), "r2", higher_is_better=True)[1].others[0].metric == "rmse"
    _, dropout, _ = judged(three(**changes), "profit", higher_is_better=True)
    assert [each.metric for each in dropout.others if each.split == "valid"] == ["r2", "rmse"]


def test_without_test_rows_there_is_nothing_of_the_test_split():
    _, dropout, _ = judged(three(splits=("train", "valid")), rows={"train": 600, "valid": 200})
    assert [(each.metric, each.split) for each in dropout.others] == [("accuracy", "valid")]


def test_the_margin_is_that_of_the_main_metric_and_others_keep_their_own():
    _, _, decay = judged(three(), margin=0.05)
    assert decay.versus_baseline.verdict == SAME and decay.versus_baseline.margin == 0.05
    assert {each.metric: each.margin for each in decay.others if each.split == "valid"} == {"accuracy": 0.002}
    assert decay.versus("log_loss", "test").margin == 0.05
    assert judged(three(), margin=0)[1].versus_baseline.margin is None
    assert judged(three())[1].versus_baseline.margin == 0.005


def test_where_splits_vary_each_split_is_corrected_by_its_own_rows():
    fixed, varying = judged(three())[1], judged(three(), test_to_train=0.25)[1]
    for split, ratio in (("valid", 0.25), ("test", 200 / 800)):
        narrow, wide = fixed.versus("log_loss", split), varying.versus("log_loss", split)
        assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(math.sqrt((0.2 + ratio) / 0.2))


def test_a_contender_without_two_pairs_has_no_verdict_and_counts_for_nothing():
    by_recipe = {**three(), DECAY: runs(DECAY, 0, seeds=1)}
    _, dropout, decay = judged(by_recipe)
    assert decay.versus_baseline is None and decay.others == []
    assert dropout.versus_baseline.p_holm == dropout.versus_baseline.p_value


def test_a_baseline_that_an_interrupt_left_without_runs_is_there_all_the_same():
    baseline, dropout = judged({NONE: [], DROPOUT: runs(DROPOUT, -0.1), DECAY: []})
    assert math.isnan(baseline.scores["valid"]["log_loss"].mean) and baseline.scores["valid"]["log_loss"].values == []
    assert dropout.versus_baseline is None


def test_an_interrupted_contender_says_how_many_seeds_there_are():
    by_recipe = {**three(), DROPOUT: runs(DROPOUT, -0.1, seeds=3)}
    assert "3 of 5 seeds so far" in judged(by_recipe)[1].versus_baseline.words


def test_diverged_runs_are_in_no_verdict_and_the_others_are():
    by_recipe = {**three(), DROPOUT: runs(DROPOUT, -0.1, diverged=(1,))}
    _, dropout, _ = judged(by_recipe)
    assert dropout.diverged == 1
    assert dropout.versus_baseline.words.endswith("; 1 of 5 seeds left out, where a run has no score")


def test_a_contender_is_read_back_as_it_was():
    for each in judged(three(), test_to_train=0.25):
        plain = json.loads(json.dumps(to_plain(each), allow_nan=False))
        assert to_plain(decode(Contender, plain)) == to_plain(each)
