"""The weights of the best epoch: which one that is, and that it is what is measured, whoever trains beside it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bridle import engine, vanilla
from bridle.data import Data
from bridle.engine.stack import Stack
from bridle.engine.variant_grids import group_variants
from bridle.metrics import Metric
from bridle.networks import Network, mlp
from bridle.protocol import Protocol, Variant
from bridle.recipe import Recipe
from bridle.results import Run

# A learning rate at which a network of a few rows overfits within a few epochs: the best is not the last.
HASTY = Protocol(lr=0.03, schedule="constant", batch_size=50, epochs=12, precision="float64", restore_best=True)
NETWORK = mlp(16)
RECIPES = ("none", "L2(strength=0.01)", "Dropout(rate=0.3)", "BatchNorm", "EMA(decay=0.9)", "WeightNorm + SAM")


@pytest.fixture(scope="module")
def few(digits: Data) -> Data:
    parts = [array[:rows] for split, rows in (("train", 150), ("valid", 200)) for array in digits.splits()[split]]
    return Data(*parts, name="few")


def variants(*recipes: str, seeds: int = 2) -> list[Variant]:
    return [Variant(Recipe.parse(recipe), seed) for recipe in recipes for seed in range(seeds)]


def train(
    data: Data, members: list[Variant], protocol: Protocol, network: Network = NETWORK, own: Metric | None = None
) -> dict[Variant, Run]:
    by_key = {each.key: each for each in members}
    runs = engine.train_variants(data, members, network, protocol, own_metric=own)
    return {by_key[run.key]: run for run in runs}


def module() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10))


@pytest.mark.parametrize("network", [mlp(16), module], ids=["mlp", "module"])
def test_the_best_epoch_is_the_least_of_the_curve_and_a_run_that_ends_there(few: Data, network: Network) -> None:
    found = train(few, variants(*RECIPES), HASTY, network)
    assert len({run.best_epoch for run in found.values()}) > 2
    assert min(run.best_epoch or 99 for run in found.values()) < HASTY.n_epochs
    for variant, run in found.items():
        assert run.best_epoch == 1 + int(np.argmin(run.curves["valid_loss"]))
        assert run.scores["valid"]["log_loss"] == pytest.approx(min(run.curves["valid_loss"]), rel=1e-9)
        assert run.stopped_at is None and len(run.curves["epoch"]) == HASTY.n_epochs
        there = replace(HASTY, epochs=run.best_epoch, restore_best=False)
        (stopped,) = train(few, [variant], there, network).values()
        assert stopped.best_epoch is None
        for split, scores in stopped.scores.items():
            assert run.scores[split] == pytest.approx(scores, rel=1e-7)
        for mine, theirs in zip(run.model.state_dict().values(), stopped.model.state_dict().values(), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize(("metric", "best"), [("accuracy", np.argmax), ("auroc", np.argmax), ("brier", np.argmin)])
def test_the_metric_of_the_protocol_chooses(few: Data, metric: str, best: Callable[[list[float]], np.intp]) -> None:
    for run in train(few, variants("none", "BatchNorm"), replace(HASTY, metric=metric)).values():
        assert set(run.curves) == {
            "epoch",
            "step_loss",
            *(f"{s}_{m}" for s in ("train", "valid") for m in ("loss", metric)),
        }
        assert run.best_epoch == 1 + int(best(run.curves[f"valid_{metric}"]))
        assert run.scores["valid"][metric] == pytest.approx(run.curves[f"valid_{metric}"][run.best_epoch - 1], rel=1e-9)


def least_certain(y: np.ndarray, p: np.ndarray) -> float:
    return float(p.max(1).min())


@pytest.mark.parametrize("higher", [True, False])
def test_a_metric_of_ones_own_chooses_in_its_own_direction(few: Data, higher: bool) -> None:
    own = Metric("least_certain", least_certain, higher_is_better=higher)
    members = variants("none", "Dropout")
    for run in train(few, members, replace(HASTY, metric="least_certain"), own=own).values():
        curve = run.curves["valid_least_certain"]
        assert run.best_epoch == 1 + int(np.argmax(curve) if higher else np.argmin(curve))
        assert all("least_certain" in scores and "log_loss" in scores for scores in run.scores.values())
        with torch.no_grad():
            p = run.model(torch.from_numpy(few.x_valid).double()).softmax(1).numpy()
        assert run.scores["valid"]["least_certain"] == pytest.approx(least_certain(few.y_valid, p), rel=1e-9)


def test_a_metric_without_a_value_on_these_rows_chooses_nothing_and_the_last_epoch_stays(few: Data) -> None:
    ones = few.y_valid == 1
    single = Data(few.x_train, few.y_train, few.x_valid[ones], few.y_valid[ones])
    (run,) = train(single, variants("none", seeds=1), replace(HASTY, metric="auroc")).values()
    (last,) = train(single, variants("none", seeds=1), replace(HASTY, restore_best=False)).values()
    assert run.diverged_at is None and run.best_epoch is None and math.isnan(run.scores["valid"]["auroc"])
    assert run.scores["train"] == last.scores["train"]


def test_a_recipe_that_stops_decides_for_itself(few: Data) -> None:
    stops = "EarlyStopping(patience=1)"
    members = variants(stops, f"BatchNorm + {stops}", "none")
    with_others, unrestored = train(few, members, HASTY), train(few, members, replace(HASTY, restore_best=False))
    for variant in members[:4]:
        run, same = with_others[variant], unrestored[variant]
        assert run.stopped_at == same.stopped_at in (None, (run.best_epoch or 0) + 1)
        assert run.scores["valid"] == pytest.approx(same.scores["valid"], rel=1e-9)
    assert any(with_others[variant].stopped_at for variant in members[:4])
    assert all(unrestored[variant].best_epoch is None for variant in members[4:])


def test_an_ensemble_ends_with_all_its_members(few: Data) -> None:
    (run,) = train(few, variants("SnapshotEnsemble(cycles=2)", seeds=1), HASTY).values()
    assert run.best_epoch is None and len(run.model.members) == 2


def test_neighbours_that_leave_do_not_touch_the_bests_of_those_that_stay(few: Data) -> None:
    sgd = replace(HASTY, optimizer="sgd", lr=0.5)
    leaving = ["L2(strength=after(0.5, 1e9))", "EarlyStopping(patience=1)", "BatchNorm + L2(strength=after(0.7, 1e9))"]
    together = train(few, variants(*RECIPES, *leaving), sgd)
    calm = train(few, variants(*RECIPES), sgd)
    assert any(run.diverged_at for run in together.values()) and any(run.stopped_at for run in together.values())
    for variant, run in calm.items():
        assert together[variant].best_epoch == run.best_epoch
        for split, scores in run.scores.items():
            assert together[variant].scores[split] == pytest.approx(scores, rel=1e-7)


def test_a_run_that_diverges_has_no_scores_though_it_had_a_best_epoch(few: Data) -> None:
    wild = variants("L2(strength=after(0.5, 1e9))", seeds=1)
    (run,) = train(few, wild, replace(HASTY, optimizer="sgd", lr=0.5)).values()
    assert run.diverged_at and run.best_epoch is None and math.isnan(run.scores["valid"]["log_loss"])


def test_bests_are_measured_together_grid_by_grid(few: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    resume = Stack.resume_block

    def counted(stack: Stack, grid, values, passed):
        made.append(len(grid))
        return resume(stack, grid, values, passed)

    monkeypatch.setattr(Stack, "resume_block", counted)
    members = variants(*RECIPES)
    found = train(few, members, HASTY)
    assert len({run.best_epoch for run in found.values()}) > 2
    assert sorted(made) == sorted(len(grid) for grid in group_variants(members))


def test_a_strength_that_moves_is_that_of_each_best_epoch(few: Data) -> None:
    recipe = "SpectralNorm(limit=linear(0.2, 4.0))"
    for run in train(few, variants(recipe, f"L2(strength=0.03) + {recipe}", seeds=3), HASTY).values():
        assert run.scores["valid"]["log_loss"] == pytest.approx(min(run.curves["valid_loss"]), rel=1e-9)


@pytest.mark.parametrize("train_variants", [engine.train_variants, vanilla.train_variants], ids=["torch", "vanilla"])
def test_of_many_epochs_every_few_are_scored_but_where_a_recipe_counts_them(few: Data, train_variants: Any) -> None:
    long = replace(HASTY, batch_size=150, epochs=70)
    every_second = list(range(2, 71, 2))
    assert [epoch for epoch in range(1, 71) if long.evaluates_after(epoch)] == every_second
    plain, stops = train_variants(few, variants("none", "EarlyStopping(patience=20)", seeds=1), NETWORK, long)
    assert plain.curves["epoch"] == every_second and plain.best_epoch in every_second
    assert plain.best_epoch == every_second[int(np.argmin(plain.curves["valid_loss"]))]
    assert stops.curves["epoch"] == list(range(1, (stops.stopped_at or 70) + 1))
    (whole,) = train_variants(few, variants("none", seeds=1), NETWORK, replace(long, restore_best=False))
    assert whole.curves["epoch"] == list(range(1, 71))
    assert plain.curves["step_loss"] == pytest.approx(whole.curves["step_loss"][1::2], rel=1e-9)


@pytest.mark.parametrize("metric", [None, "accuracy", "auroc"])
@pytest.mark.parametrize("recipe", ["none", "BatchNorm + EMA(decay=0.9)", "EarlyStopping(patience=2, watch='metric')"])
def test_both_engines_keep_the_same_epoch(few: Data, recipe: str, metric: str | None) -> None:
    variant, protocol = Variant(Recipe.parse(recipe), 1, 0.02), replace(HASTY, metric=metric)
    (fast,) = engine.train_variants(few, [variant], mlp(16), protocol)
    (slow,) = vanilla.train_variants(few, [variant], mlp(16), protocol)
    assert (fast.best_epoch, fast.stopped_at, fast.lr) == (slow.best_epoch, slow.stopped_at, slow.lr)
    for split, scores in slow.scores.items():
        assert fast.scores[split] == pytest.approx(scores, rel=1e-7)


@pytest.mark.parametrize("train_variants", [engine.train_variants, vanilla.train_variants], ids=["torch", "vanilla"])
@pytest.mark.parametrize("recipe", ["none", "EarlyStopping(patience=9, watch='metric')"])
@pytest.mark.parametrize("unmeasured", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("higher", [True, False])
def test_an_epoch_whose_score_is_not_finite_is_not_the_best_and_hides_no_later_one(
    few: Data, train_variants: Any, recipe: str, unmeasured: float, higher: bool
) -> None:
    def sure(y: np.ndarray, p: np.ndarray) -> float:  # it is only defined where the network is sure of its answers
        found = float(p.max(1).mean())
        return unmeasured if found < 0.6 else found

    own = Metric("sure", sure, higher_is_better=higher)
    members = variants(recipe, seeds=1)
    (run,) = train_variants(few, members, NETWORK, replace(HASTY, metric="sure"), own_metric=own)
    curve = np.array(run.curves["valid_sure"])
    assert not np.isfinite(curve[0]) and np.isfinite(curve[-1])
    known = np.where(np.isfinite(curve), curve, -math.inf if higher else math.inf)
    assert run.best_epoch == 1 + int(np.argmax(known) if higher else np.argmin(known))
    assert math.isfinite(run.scores["valid"]["sure"])
