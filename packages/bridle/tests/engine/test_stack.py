"""Contract 4: a variant's result depends on its recipe and its seed, not on its neighbours."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from bridle import engine
from bridle.data import Data
from bridle.engine.value_names import ValueName
from bridle.engine.variant_grids import VariantGrid, group_variants, split_into_stacks
from bridle.networks import linear, mlp
from bridle.protocol import Protocol, Variant
from bridle.recipe import Recipe
from bridle.results import Run

RECIPES = [
    "none",
    "L2(strength=0.01)",
    "WeightDecay(strength=0.3)",
    "Dropout(rate=0.3)",
    "Dropout(rate=0.1, at='input')",
    "BatchNorm",
    "L2(strength=0.001, on='all') + Dropout(rate=0.1, at='all') + BatchNorm(momentum=0.5) + WeightDecay",
]
EXACT = Protocol(batch_size=64, epochs=2, precision="float64")


def variants(recipes: list[str], seeds: int) -> list[Variant]:
    return [Variant(Recipe.parse(recipe), seed) for recipe in recipes for seed in range(seeds)]


def train(data: Data, members: list[Variant], protocol: Protocol = EXACT, **options: Any) -> dict[tuple[str, int], Run]:
    runs = list(engine.train_variants(data, members, mlp(16, 8), protocol, **options))
    assert len(runs) == len(members)
    return {(run.recipe, run.seed): run for run in runs}


def assert_same_run(ours: Run, theirs: Run) -> None:
    for split_name, metrics in theirs.scores.items():
        assert ours.scores[split_name] == pytest.approx(metrics, rel=1e-9, nan_ok=True)
    assert ours.curves == {name: pytest.approx(values, rel=1e-9) for name, values in theirs.curves.items()}
    for (name, mine), other in zip(ours.model.state_dict().items(), theirs.model.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-12, msg=name)


def test_alone_or_in_a_stack_is_the_same(digits: Data) -> None:
    together = train(digits, variants(RECIPES, 3))
    for recipe in RECIPES:
        (alone,) = train(digits, [Variant(Recipe.parse(recipe), 2)]).values()
        assert_same_run(together[alone.recipe, 2], alone)


def test_neighbours_that_diverge_leave_and_harm_nobody(digits: Data) -> None:
    protocol = Protocol("sgd", lr=0.05, batch_size=64, epochs=3, precision="float64")
    wild = [Variant(Recipe.parse("L2(strength=1e9)"), seed) for seed in (0, 2)]
    together = train(digits, [*variants(RECIPES, 3), *wild], protocol)
    calm = train(digits, variants(RECIPES, 3), protocol)
    for key, run in calm.items():
        assert run.diverged_at is None
        assert_same_run(together[key], run)
    for variant in wild:
        run = together[str(variant.recipe), variant.seed]
        assert run.diverged_at == 1
        assert all(math.isnan(score) for metrics in run.scores.values() for score in metrics.values())


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adamw"])
def test_leaving_in_the_middle_changes_nothing_for_the_others(digits: Data, optimizer: str) -> None:
    protocol = Protocol(optimizer, batch_size=64, epochs=2, precision="float64")
    members = variants(RECIPES, 3)
    shrinking = engine.make_stack(digits, members, mlp(16, 8), protocol)
    whole = engine.make_stack(digits, members, mlp(16, 8), protocol)
    gone = {members[0], members[7], members[10], members[20]}
    for step in range(12):
        if step == 5:
            shrinking.remove(gone)
        ours, theirs = losses(shrinking), losses(whole)
        assert ours == pytest.approx({key: value for key, value in theirs.items() if key in ours}, rel=1e-9)
    assert set(ours) == set(members) - gone


def losses(stack: engine.Stack) -> dict[Variant, float]:
    found = stack.step(with_penalties=True)
    return {
        variant: values[index].item()
        for block, values in zip(stack.blocks, found, strict=True)
        for index, variant in block.indexed_variants()
    }


def test_a_small_memory_budget_splits_the_stack_and_changes_nothing(digits: Data) -> None:
    roomy, tight = train(digits, variants(RECIPES[:4], 2)), train(digits, variants(RECIPES[:4], 2), memory=1)
    for key, run in roomy.items():
        assert_same_run(tight[key], run)


def test_the_budget_counts() -> None:
    members = variants(RECIPES[:3], 4)
    assert [len(part) for part in split_into_stacks(members, 10, memory=1000)] == [12]
    assert [len(part) for part in split_into_stacks(members, 10, memory=60)] == [6, 6]
    assert [len(part) for part in split_into_stacks(members, 10, memory=20)] == [2, 1] * 4
    assert [len(part) for part in split_into_stacks(members, 10, memory=1)] == [1] * 12
    assert [len(part) for part in split_into_stacks(variants(RECIPES[:6], 5), 10)] == [30]
    assert [len(part) for part in split_into_stacks(variants(RECIPES[:1], 128), 10)] == [40, 40, 40, 8]
    assert {each for part in split_into_stacks(members, 10, memory=70) for each in part} == set(members)


def test_recipes_that_share_a_structure_share_a_grid() -> None:
    found = group_variants(variants(RECIPES, 2))
    assert sorted(len(grid.recipes) for grid in found) == [1, 1, 1, 1, 3]
    assert all(grid.seeds == (0, 1) for grid in found)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "momentum", "sgd"])
def test_variants_with_a_learning_rate_of_their_own_are_runs_under_a_protocol_with_it(
    digits: Data, optimizer: str
) -> None:
    protocol = replace(EXACT, optimizer=optimizer)
    recipes, rates = ["none", "WeightDecay(strength=3.0)", "SoftThreshold + Dropout(rate=0.2)"], (None, 0.01, 0.0005)
    members = [Variant(Recipe.parse(recipe), seed, lr) for recipe in recipes for seed in range(2) for lr in rates]
    assert sorted(len(grid) for grid in group_variants(members)) == [6, 12]
    together = list(engine.train_variants(digits, members, mlp(16, 8), protocol))
    assert {(run.recipe, run.seed, run.lr) for run in together} == {(str(each.recipe), *each[1:]) for each in members}
    for lr in rates:
        alone = train(digits, variants(recipes, 2), replace(protocol, lr=lr))
        for run in together:
            if run.lr == lr:
                assert_same_run(run, alone[run.recipe, run.seed])


def test_one_recipe_under_several_learning_rates_leaves_and_stays_by_each(digits: Data) -> None:
    members = [Variant(Recipe(), 0, lr) for lr in (0.05, 1e200, None)]
    protocol = Protocol("sgd", lr=0.1, epochs=3, precision="float64")
    runs = {run.lr: run for run in engine.train_variants(digits, members, mlp(16, 8), protocol)}
    assert {lr: run.diverged_at is None for lr, run in runs.items()} == {0.05: True, 1e200: False, None: True}
    (alone,) = engine.train_variants(digits, members[:1], mlp(16, 8), protocol)
    assert_same_run(runs[0.05], alone)


def test_a_learning_rate_that_is_none_gets_a_sentence(digits: Data) -> None:
    with pytest.raises(ValueError, match="lr must be a positive number, got -1"):
        list(engine.train_variants(digits, [Variant(Recipe(), 0, -1)], mlp(4), EXACT))


def test_an_open_length_is_refused_where_a_stack_is_made_and_found_by_train(digits: Data) -> None:
    with pytest.raises(ValueError, match="the number of epochs is open"):
        engine.make_stack(digits, variants(["none"], 1), mlp(4), Protocol())
    run = engine.train(digits, "none", mlp(8), Protocol(lr=0.05, batch_size=200))
    tried = Protocol(batch_size=200).lengths(len(digits.x_train))
    assert [each.epochs for each in run.lengths] == tried[: len(run.lengths)] and len(run.lengths) > 1
    best = min(run.lengths, key=lambda each: each.score)
    assert run.scores["valid"]["log_loss"] == best.score and run.best_epoch == best.best_epoch
    (alone,) = engine.train_variants(
        digits, [Variant(Recipe(), 0)], mlp(8), Protocol(lr=0.05, batch_size=200).with_length(best.epochs)
    )
    assert alone.scores == run.scores
    assert engine.train(digits, "none", mlp(8), Protocol(epochs=2)).lengths == []


def test_a_missing_pair_gets_a_grid_of_its_own() -> None:
    members = variants(["none", "L2(strength=0.1)"], 3)
    found = group_variants(members[1:])
    assert {variant for grid in found for variant in grid.variants} == set(members[1:])
    assert VariantGrid((0, 1, 2), (Recipe.parse("L2(strength=0.1)"),)) in found


def test_recipes_of_one_seed_start_from_the_same_weights(digits: Data) -> None:
    stack = engine.make_stack(digits, variants(["none", "BatchNorm", "Dropout"], 2), mlp(16, 8), EXACT)
    start = {
        variant: block.variant_values(block.parameters, index)[ValueName("linear1.weight")]
        for block in stack.blocks
        for index, variant in block.indexed_variants()
    }
    by_seed = [[weight for variant, weight in start.items() if variant.seed == seed] for seed in (0, 1)]
    assert all(torch.equal(weight, same[0]) for same in by_seed for weight in same)
    assert not torch.equal(by_seed[0][0], by_seed[1][0])


def test_the_model_is_an_ordinary_module_with_the_scores_of_the_run(digits: Data) -> None:
    run = engine.train(digits, RECIPES[-1], mlp(16, 8), Protocol(epochs=2), seed=4)
    names = [type(module).__name__ for module in run.model.children()]
    hidden = ["Linear", "BatchNorm1d", "ReLU", "Dropout"]
    assert names == ["Dropout", *hidden, *hidden, "Linear"]
    with torch.no_grad():
        right = run.model(torch.from_numpy(digits.x_valid)).argmax(1).numpy() == digits.y_valid
    assert right.mean() == pytest.approx(run.scores["valid"]["accuracy"])


SCHEDULED = "SpectralNorm(limit=linear(0.2, 3.0))"
STOPS = "EarlyStopping(patience=1, min_delta=10.0)"  # behind the second epoch, with the first as the best


@pytest.mark.parametrize("recipe", [SCHEDULED, f"{SCHEDULED} + {STOPS}"])
def test_what_a_schedule_has_come_to_acts_in_the_scores_too(digits: Data, recipe: str) -> None:
    # The neighbour leaves behind the last epoch, and the other is then scored in a stack of its own.
    members = [Variant(Recipe.parse(each), 0) for each in dict.fromkeys((recipe, f"{STOPS} + {SCHEDULED} + EMA"))]
    runs = engine.train_variants(digits, members, mlp(16, 8), EXACT)
    run = next(each for each in runs if "EMA" not in each.recipe)
    scored = (run.best_epoch or 2) - 1
    assert run.scores["valid"]["log_loss"] == pytest.approx(run.curves["valid_loss"][scored], rel=1e-12)


def test_progress_counts_every_step_also_of_runs_that_diverged(digits: Data) -> None:
    protocol = Protocol("sgd", batch_size=64, epochs=3)
    members = [*variants(["none"], 2), Variant(Recipe.parse("L2(strength=1e30)"), 0)]
    told: list[int] = []
    list(engine.train_variants(digits, members, mlp(8), protocol, progress=told.append))
    assert sum(told) == 3 * 3 * (len(digits.x_train) // 64)


def test_a_linear_model_and_a_batch_larger_than_the_data_work(diabetes: Data) -> None:
    run = engine.train(diabetes, "WeightDecay", linear(), Protocol("adam", lr=0.05, batch_size=10_000, epochs=200))
    assert run.scores["valid"]["r2"] > 0.3
    assert [layer.name for layer in run.layers] == ["output"]


def test_a_pattern_that_selects_nothing_names_the_parameters(digits: Data) -> None:
    with pytest.raises(ValueError, match=r"selects none of the parameters; they are linear1\.weight"):
        engine.train(digits, "L2(strength=1.0, on='conv*')", mlp(8), Protocol(epochs=1))


def test_bfloat16_products_learn_as_well(digits: Data) -> None:
    accuracy = {}
    for precision in ("float32", "bfloat16"):
        protocol = Protocol(lr=0.01, epochs=15, precision=precision)
        runs = engine.train_variants(digits, variants(["none", "BatchNorm"], 3), mlp(32), protocol)
        accuracy[precision] = np.mean([run.scores["valid"]["accuracy"] for run in runs])
    assert accuracy["float32"] > 0.93
    assert accuracy["bfloat16"] == pytest.approx(accuracy["float32"], abs=0.02)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_gives_the_same_runs(digits: Data) -> None:
    members = variants(RECIPES, 2)
    on_cpu = {
        (run.recipe, run.seed): run
        for run in engine.train_variants(digits, members, mlp(16, 8), EXACT, device=torch.device("cpu"))
    }
    for run in engine.train_variants(digits, members, mlp(16, 8), EXACT, device=torch.device("cuda")):
        assert run.scores["valid"] == pytest.approx(on_cpu[run.recipe, run.seed].scores["valid"], rel=1e-6)
