"""Tuning with equal budgets, on made-up scores: nothing is trained."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from bridle import L2, Data, Dropout, Recipe
from bridle.comparison.tuning import FIRST_SEED, check_apart, draw_candidates, inner_folds, tune, tuned_knobs
from bridle.errors import InputError
from bridle.metric_info import Criterion
from bridle.protocol import Protocol, Variant
from bridle.results import Run

LOG_LOSS = Criterion("log_loss", higher_is_better=False)
RECIPES = [Recipe(), Recipe.of(L2(strength=0.001)), Recipe.parse("Dropout(rate=0.3) + WeightDecay(strength=1.0)")]


def table(rows: int) -> Data:
    """Return data with so many training rows, of two classes."""
    x = np.random.default_rng(0).normal(size=(rows, 3))
    y = np.arange(rows) % 2
    return Data(x, y, x[:20] + 9, y[:20], x[:20] - 9, y[:20])


@dataclass
class Trainer:
    """Scores each setting by how far its strength is from one that is best, and notes what it was asked for."""

    best: float = 0.01
    nan_above: float = math.inf
    gain: float = 0.1  # of the score, by which each rung is better than the one before
    best_at: float = 1.0  # share of a training after which the best epoch comes
    asked: list[tuple[Data, list[Variant], Protocol]] = field(default_factory=list)

    def __call__(self, data: Data, variants: Sequence[Variant], protocol: Protocol) -> Mapping[Variant, Run]:
        """Return made-up runs."""
        self.asked.append((data, list(variants), protocol))
        return {variant: self.run(variant, protocol) for variant in variants}

    def run(self, variant: Variant, protocol: Protocol) -> Run:
        """Return one run."""
        strength = next((unit.strength for unit in variant.recipe if isinstance(unit, L2)), 1.0)
        assert isinstance(strength, float)
        score = 1 + abs(math.log(strength / self.best)) + (variant.lr or 0.0) - self.gain * math.log2(protocol.n_epochs)
        score = math.nan if strength > self.nan_above else score
        best = max(1, round(self.best_at * protocol.n_epochs))
        scores = {"valid": {"log_loss": score}}
        return Run(str(variant.recipe), variant.seed, scores, {}, [], 0.0, best_epoch=best, lr=variant.lr)


def test_every_contender_gets_the_same_number_of_trials() -> None:
    tuned = tune(RECIPES, 16, table(400), Protocol(), LOG_LOSS, Trainer())
    assert [len(tuned.trials[recipe]) for recipe in RECIPES] == [16, 16, 16]
    for recipe in RECIPES:
        reached = sorted((len(trial.scores) for trial in tuned.trials[recipe]), reverse=True)
        assert reached == [4, 4, 3, 3, 2, 2, 2, 2, *[1] * 8]


def test_the_chosen_setting_is_the_best_of_the_trials() -> None:
    tuned = tune(RECIPES, 16, table(400), Protocol(), LOG_LOSS, Trainer())
    trials = tuned.trials[RECIPES[1]]
    best = min(trials, key=lambda trial: min(trial.scores))
    assert (str(tuned.chosen[RECIPES[1]].recipe), tuned.chosen[RECIPES[1]].lr) == (best.recipe, best.lr)
    assert tuned.chosen[RECIPES[0]].recipe == Recipe()


def test_trials_see_training_rows_alone_under_seeds_of_their_own() -> None:
    data, trainer = table(400), Trainer()
    tune(RECIPES, 4, data, Protocol(), LOG_LOSS, trainer)
    known = {tuple(row) for row in data.x_train.tolist()}
    for fold, variants, _ in trainer.asked:
        assert fold.x_test is None
        assert {tuple(row) for x in (fold.x_train, fold.x_valid) for row in x.tolist()} <= known
        assert not {tuple(row) for row in fold.x_train.tolist()} & {tuple(row) for row in fold.x_valid.tolist()}
        assert all(variant.seed >= FIRST_SEED for variant in variants)


def test_small_data_are_judged_on_every_row_once_per_rung() -> None:
    data, trainer = table(400), Trainer()
    tune(RECIPES[:1], 2, data, Protocol(epochs=3), LOG_LOSS, trainer)
    judged = [tuple(row) for fold, _, _ in trainer.asked for row in fold.x_valid.tolist()]
    assert sorted(judged) == sorted(tuple(row) for row in data.x_train.tolist())


def test_few_groups_make_fewer_folds_and_one_makes_none() -> None:
    x, y, groups = table(400).x_train, np.arange(400) % 2, np.arange(400) // 100
    for count, folds in ((4, 2), (5, 3), (10, 4)):  # of five folds of the groups one is valid and one test
        groups = np.arange(400) // (400 // count)
        trainer = Trainer()
        tuned = tune(RECIPES[:1], 2, Data.from_arrays(x, y, groups=groups), Protocol(epochs=3), LOG_LOSS, trainer)
        assert tuned.how["folds"] == folds == len(trainer.asked)
    data = Data.from_arrays(x, y, groups=np.arange(400) // 134)
    with pytest.raises(InputError, match=r"to tune on: 1 group .*; leave tuning \(--tune, tuned=\) out"):
        tune(RECIPES[:1], 2, data, Protocol(epochs=3), LOG_LOSS, Trainer())


def test_large_data_are_judged_on_one_fold() -> None:
    trainer = Trainer()
    tune(RECIPES[:1], 2, table(5000), Protocol(epochs=3), LOG_LOSS, trainer)
    assert len(trainer.asked) == 1


def test_halving_ends_where_longer_training_helps_none() -> None:
    trainer = Trainer(gain=0.0)
    tuned = tune(RECIPES, 16, table(400), Protocol(), LOG_LOSS, trainer)
    assert max(len(trial.scores) for trial in tuned.trials[RECIPES[1]]) == 2


def test_what_overfits_before_half_of_its_training_is_not_trained_longer() -> None:
    trainer = Trainer(best_at=0.4)
    tuned = tune(RECIPES, 16, table(400), Protocol(), LOG_LOSS, trainer)
    assert {len(trial.scores) for its in tuned.trials.values() for trial in its} == {1}


def test_each_rung_is_twice_as_long_as_the_one_before() -> None:
    trainer = Trainer()
    tuned = tune(RECIPES, 8, table(400), Protocol(), LOG_LOSS, trainer)
    epochs = list(dict.fromkeys(protocol.n_epochs for _, _, protocol in trainer.asked))
    assert epochs == tuned.how["epochs"]
    assert all(later == 2 * earlier for earlier, later in itertools.pairwise(epochs))
    assert all(protocol.keeps_best_epoch for _, _, protocol in trainer.asked)


def test_a_fixed_length_has_one_rung() -> None:
    trainer = Trainer()
    tuned = tune(RECIPES, 8, table(400), Protocol(epochs=7), LOG_LOSS, trainer)
    assert {protocol.n_epochs for _, _, protocol in trainer.asked} == {7}
    assert {len(trial.scores) for its in tuned.trials.values() for trial in its} == {1}


def test_a_setting_that_diverged_is_never_chosen() -> None:
    tuned = tune([Recipe(), RECIPES[1]], 16, table(400), Protocol(), LOG_LOSS, Trainer(best=0.5, nan_above=0.005))
    (unit,) = tuned.chosen[RECIPES[1]].recipe
    assert isinstance(unit, L2) and isinstance(unit.strength, float) and unit.strength <= 0.005


def test_a_metric_that_is_better_the_higher_chooses_the_highest() -> None:
    accuracy = Criterion("accuracy", higher_is_better=True)

    def train(data: Data, variants: Sequence[Variant], protocol: Protocol) -> Mapping[Variant, Run]:
        return {
            variant: Run("", 0, {"valid": {"accuracy": 0.5 + 10 * (variant.lr or 0)}}, {}, [], 0.0)
            for variant in variants
        }

    tuned = tune([Recipe()], 4, table(400), Protocol(), accuracy, train)
    assert tuned.chosen[Recipe()].lr == max(trial.lr for trial in tuned.trials[Recipe()])


def test_the_settings_drawn_are_the_same_each_time_and_begin_with_what_was_given() -> None:
    first, again = (draw_candidates(RECIPES[2], 16, Protocol()) for _ in range(2))
    assert [(each.recipe, each.lr) for each in first] == [(each.recipe, each.lr) for each in again]
    assert (first[0].recipe, first[0].lr) == (RECIPES[2], Protocol().peak_lr)
    assert len({str(each.recipe) for each in first}) == 16


def test_a_learning_rate_that_was_given_is_kept() -> None:
    assert {each.lr for each in draw_candidates(RECIPES[1], 16, Protocol(lr=0.01))} == {0.01}
    assert len({each.lr for each in draw_candidates(RECIPES[0], 16, Protocol())}) == 16


@pytest.mark.parametrize(
    ("recipe", "names"),
    [
        ("none", []),
        ("BatchNorm()", []),
        ("Dropout(rate=0.3) + WeightDecay(strength=1.0)", ["rate", "strength"]),
        ("Dropout(rate=0.0)", []),
        ("Dropout(rate=linear(0.0, 0.3))", []),
        ("ClipNorm(limit=1.0) + EMA(decay=0.99)", ["limit"]),
    ],
)
def test_what_is_tuned_are_numbers_that_can_be_switched_off(recipe: str, names: list[str]) -> None:
    assert [knob.name for _, knob in tuned_knobs(Recipe.parse(recipe))] == names


def test_values_stay_in_the_range_of_their_knob() -> None:
    for recipe in (Recipe.of(Dropout(rate=0.9)), Recipe.parse("LabelSmoothing(strength=0.1) + MaxNorm(limit=3.0)")):
        drawn = draw_candidates(recipe, 64, Protocol())  # a value out of range would have raised
        assert len(drawn) == 64


def test_a_setting_whose_folds_diverged_is_not_trained_longer() -> None:
    def train(data: Data, variants: Sequence[Variant], protocol: Protocol) -> Mapping[Variant, Run]:
        scores = {"valid": {"log_loss": math.nan}}
        return {variant: Run("", 0, scores, {}, [], 0.0, diverged_at=1) for variant in variants}

    tuned = tune([Recipe()], 8, table(400), Protocol(), LOG_LOSS, train)
    assert {len(trial.scores) for trial in tuned.trials[Recipe()]} == {1}


def test_a_setting_without_a_finite_score_on_every_fold_is_never_chosen() -> None:
    own, unmeasured = Criterion("own", higher_is_better=True), itertools.cycle([math.inf, -math.inf, math.nan, 1.0])

    def train(data: Data, variants: Sequence[Variant], protocol: Protocol) -> Mapping[Variant, Run]:
        odd = next(unmeasured)  # of one fold
        return {
            each: Run("", 0, {"valid": {"own": odd if each is not variants[2] else 0.5}}, {}, [], 0.0)
            for each in variants
        }

    tuned = tune([Recipe()], 4, table(400), Protocol(epochs=2), own, train)
    assert tuned.chosen[Recipe()].lr == tuned.trials[Recipe()][2].lr


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("L2(strength=0.001)", "L2(strength=0.01)"),
        ("Dropout(rate=0.2) + L2(strength=0.001)", "Dropout(rate=0.3) + L2(strength=0.001)"),
        ("L2(strength=0.1, on='all')", "L2(strength=0.2, on='all')"),
    ],
)
def test_contenders_that_tuning_may_make_the_same_are_refused(one: str, other: str) -> None:
    words = re.escape(f"{one!r} and {other!r} differ only in strengths") + ".*; give one of them"
    with pytest.raises(InputError, match=words):
        check_apart([Recipe(), *map(Recipe.parse, (one, "BatchNorm()", other))])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("L2(strength=0.001)", "L2(strength=0.001, on='all')"),
        ("L2(strength=0.001)", "L2(strength=0.0)"),  # which is off, and not searched
        ("L2(strength=0.001)", "L2(strength=linear(0.1, 0.0))"),
        ("Dropout(rate=0.2)", "Dropout(rate=0.2) + L2(strength=0.001)"),
        ("EMA(decay=0.9)", "EMA(decay=0.99)"),
    ],
)
def test_contenders_that_stay_apart_are_tuned_side_by_side(one: str, other: str) -> None:
    check_apart([Recipe(), *map(Recipe.parse, (one, other))])
    chosen = tune([*map(Recipe.parse, (one, other))], 4, table(40), Protocol(epochs=1), LOG_LOSS, same_for_all).chosen
    assert len({str(each.recipe) for each in chosen.values()}) == 2


def same_for_all(data: Data, variants: Sequence[Variant], protocol: Protocol) -> Mapping[Variant, Run]:
    return {each: Run("", 0, {"valid": {"log_loss": 1.0}}, {}, [], 0.0) for each in variants}


def few_rows(**keys: object) -> Data:
    """Return a table of which this is known of the rows."""
    x = np.random.default_rng(0).normal(size=(200, 3))
    return Data.from_arrays(x, np.arange(200) % 2, **keys)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "folds"),
    [
        (few_rows(), 4),
        (few_rows(groups=np.arange(200) // 2 % 5), 3),  # three of them in the training rows
        (few_rows(groups=np.arange(200) // 2 % 4), 2),
        (few_rows(time=np.arange(200) // 40), 2),  # as many times
        (few_rows(time=np.arange(200) // 50), 1),
        (Data(*(few_rows().x_train[:3], [0, 1, 0], few_rows().x_valid[:5], [0, 1, 0, 1, 0])), 2),
    ],
)
def test_where_there_is_too_little_for_all_folds_there_are_fewer(data: Data, folds: int) -> None:
    found = inner_folds(data)
    assert len(found) == folds and all(len({*each.y_train.tolist()}) == 2 for each in found)
    assert tune(RECIPES, 2, data, Protocol(epochs=1), LOG_LOSS, Trainer()).how["folds"] == folds


def test_a_class_of_one_training_row_stays_where_it_can_be_learned() -> None:
    data = table(40)
    single = Data(data.x_train, (np.arange(40) == 7).astype(int), data.x_valid, data.y_valid)
    assert all(1 in fold.y_train for fold in inner_folds(single))


def test_rows_that_cannot_be_split_once_more_are_refused_in_a_sentence() -> None:
    data = few_rows(groups=np.arange(200) // 2 % 3)  # one group is left for training
    with pytest.raises(InputError, match=r"cannot be split once more, to tune on: 1 group of .*; leave tuning"):
        tune(RECIPES, 2, data, Protocol(epochs=1), LOG_LOSS, Trainer())
