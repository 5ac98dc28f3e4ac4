"""Contract 5: vanilla and torch walk the same path, step by step, for every regularizer and every optimizer."""

from __future__ import annotations

import numpy as np
import pytest
from catalog_recipes import ON_IMAGES, ON_PERCEPTRONS

from bridle import engine, vanilla
from bridle.data import Data
from bridle.networks import mlp
from bridle.protocol import LEARNING_RATES, Protocol, Variant
from bridle.recipe import Recipe

STEPS = 50


RECIPES = [
    "none",
    *ON_PERCEPTRONS,
    "L2(strength=0.01, on='all')",
    "WeightDecay(strength=0.1, on='output.*')",
    "Dropout(rate=0.1, at='input')",
    "Dropout(rate=0.1, at='all') + Dropout(rate=0.3) + BatchNorm(momentum=0.3) + L2(strength=0.001) + WeightDecay",
]
SCHEDULED = [
    "Dropout(rate=linear(0.0, 0.5, over=0.5))",
    "L2(strength=cosine(0.1, 0.0)) + WeightDecay(strength=flat_cosine(0.5))",
    "Dropout(rate={'0': 0.1, '2': 0.4, '*': 0.2}, at='all') + L1(strength={'output.*': 0.01, 'Linear': 0.001})",
    "Mixup(alpha=until(0.5)) + Dropout(rate={'linear1': after(0.3, 0.4), '*': 0.1})",
]
WHOLE_RUNS = [
    "Dropout(rate=0.2) + BatchNorm + WeightDecay(strength=0.1)",
    "BatchNorm + EMA(decay=0.9)",
    "BatchNorm + Dropout(rate=0.2) + SWA(start=0.5)",
    "WeightNorm + Lookahead",
    "BatchNorm + SnapshotEnsemble(cycles=3)",
    "EarlyStopping(patience=1, min_delta=0.2)",
    "EMA(decay=0.9) + GeneralizationLoss(limit=1.0)",
    "EarlyStopping(patience=2, watch='metric') + SpectralNorm",
]
TOGETHER = [
    "Mixup(alpha=0.4) + LabelSmoothing(strength=0.1) + BatchNorm() + Dropout(rate=0.2) + L1(strength=0.001) "
    "+ ConfidencePenalty(strength=0.1) + GradientNoise() + ClipNorm(limit=0.5) + WeightDecay() + MaxNorm(limit=2.0)",
    "FGSM(radius=0.05) + WeightNorm() + DropConnect(rate=0.1) + VAT() + SAM(radius=0.05) + SoftThreshold()",
    "InputNoise(spread=0.2) + RDrop() + Dropout(rate=0.3) + ActivityL1() + ASAM() + EMA()",
]


def greatest_difference(data: Data, recipe: str, optimizer: str, activation: str = "relu") -> float:
    protocol = Protocol(optimizer, batch_size=32, epochs=4, precision="float64")
    variant, network = Variant(Recipe.parse(recipe), 3), mlp(24, 16, activation=activation)
    fast = np.array(engine.step_losses(data, variant, network, protocol, STEPS))
    slow = np.array(vanilla.step_losses(data, variant, network, protocol, STEPS))
    assert len(fast) == len(slow) == min(STEPS, 4 * (len(data.x_train) // 32))
    return float(np.max(np.abs(fast - slow) / np.abs(slow)))


@pytest.mark.parametrize("optimizer", LEARNING_RATES)
@pytest.mark.parametrize("recipe", RECIPES)
def test_the_loss_is_the_same_at_every_step(digits: Data, recipe: str, optimizer: str) -> None:
    assert greatest_difference(digits, recipe, optimizer) < 1e-9


@pytest.mark.parametrize("optimizer", LEARNING_RATES)
@pytest.mark.parametrize("recipe", ON_IMAGES)
def test_the_loss_is_the_same_at_every_step_on_images(images: Data, recipe: str, optimizer: str) -> None:
    assert greatest_difference(images, recipe, optimizer) < 1e-9


@pytest.mark.parametrize("recipe", SCHEDULED)
def test_the_loss_is_the_same_with_strengths_that_move_and_differ_from_layer_to_layer(
    digits: Data, recipe: str
) -> None:
    assert greatest_difference(digits, recipe, "momentum") < 1e-9


@pytest.mark.parametrize("recipe", TOGETHER)
def test_the_loss_is_the_same_with_regularizers_at_all_places(digits: Data, recipe: str) -> None:
    assert greatest_difference(digits, recipe, "momentum") < 1e-9


@pytest.mark.parametrize("recipe", ["none", RECIPES[-1]])
def test_the_loss_is_the_same_in_regression(diabetes: Data, recipe: str) -> None:
    assert greatest_difference(diabetes, recipe, "adam") < 1e-9


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_the_loss_is_the_same_with_other_activations(digits: Data, activation: str) -> None:
    assert greatest_difference(digits, RECIPES[-1], "momentum", activation) < 1e-9


def test_the_comparison_would_notice_a_strength_that_is_one_part_in_a_million_off(digits: Data) -> None:
    protocol = Protocol("sgd", batch_size=32, epochs=4, precision="float64")
    fast, slow = (
        method(digits, Variant(Recipe.parse(f"L2(strength={strength})"), 3), mlp(16, 8), protocol, STEPS)
        for method, strength in ((engine.step_losses, 0.01), (vanilla.step_losses, 0.01000001))
    )
    assert np.max(np.abs(np.array(fast) - slow) / np.abs(slow)) > 1e-9


@pytest.mark.parametrize("recipe", WHOLE_RUNS)
def test_a_whole_run_ends_alike_in_both_engines(digits: Data, recipe: str) -> None:
    protocol = Protocol(batch_size=64, epochs=6, precision="float64")
    variant = Variant(Recipe.parse(recipe), 1)
    (fast,) = engine.train_variants(digits, [variant], mlp(16, 8), protocol)
    (slow,) = vanilla.train_variants(digits, [variant], mlp(16, 8), protocol)
    for split, metrics in slow.scores.items():
        assert fast.scores[split] == pytest.approx(metrics, rel=1e-9)
    assert (fast.stopped_at, fast.best_epoch) == (slow.stopped_at, slow.best_epoch)
    assert set(fast.curves) == set(slow.curves)
    for name, values in slow.curves.items():
        assert fast.curves[name] == pytest.approx(values, rel=1e-9)
    for ours, theirs in zip(fast.layers, slow.layers, strict=True):
        assert (ours.name, ours.units, ours.dead_units) == (theirs.name, theirs.units, theirs.dead_units)
        assert ours.weight_norm == pytest.approx(theirs.weight_norm, rel=1e-9)
        assert (ours.gammas is None) == (theirs.gammas is None)
        if ours.gammas is not None:
            assert ours.gammas == pytest.approx(theirs.gammas, rel=1e-9)
