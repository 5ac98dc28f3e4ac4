"""Weights of classes and of rows in the training loss: what they mean, and that they stay in it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from bridle import engine, vanilla
from bridle.data import Data
from bridle.networks import Network, mlp
from bridle.protocol import Protocol, Variant
from bridle.recipe import Recipe
from bridle.seeded_draws import batch_orders

FULL_BATCH = Protocol("sgd", lr=0.3, schedule="constant", batch_size=10_000, epochs=5, precision="float64")
BATCHES = replace(FULL_BATCH, batch_size=16)
BALANCED = replace(BATCHES, class_weight="balanced")


def own_module() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


NETWORKS = pytest.mark.parametrize("network", [mlp(8, activation="tanh"), own_module], ids=["mlp", "module"])


def blobs(seed: int = 0, *, task: str = "classification") -> Data:
    """Return 90 rows of three unequal classes, or with a number to predict."""
    random = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2], [60, 21, 9])
    x = random.normal(size=(90, 6)) + labels[:, None] * 0.7
    y = labels if task == "classification" else x[:, 0] + random.normal(size=90)
    return Data(x, y, x[::3], y[::3], task=task)


def weighted(data: Data, weights: np.ndarray) -> Data:
    """Return the same data with a weight for each training row."""
    found = copy.copy(data)
    object.__setattr__(found, "w_train", weights.astype(np.float32))
    return found


def losses(data: Data, recipe: str, network: Network, protocol: Protocol, steps: int = 20) -> list[float]:
    return engine.step_losses(data, Variant(Recipe.parse(recipe), 1), network, protocol, steps)


@NETWORKS
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_whole_weights_are_rows_that_many_times(network: Network | Callable[[], nn.Module], task: str) -> None:
    data = blobs(task=task)
    if task == "regression" and network is own_module:
        network = lambda: nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))  # noqa: E731
    times = np.random.default_rng(1).integers(1, 4, len(data.x_train))
    rows = np.repeat(np.arange(len(times)), times)
    doubled = copy.copy(data)
    object.__setattr__(doubled, "x_train", data.x_train[rows])
    object.__setattr__(doubled, "y_train", data.y_train[rows])
    if task == "regression":
        object.__setattr__(doubled, "target_scale", data.target_scale)
    ours = losses(weighted(data, times / times.mean()), "L2(strength=0.01)", network, FULL_BATCH)
    theirs = losses(doubled, "L2(strength=0.01)", network, FULL_BATCH)
    assert ours == pytest.approx(theirs, rel=1e-6)  # weights are float32
    assert losses(data, "L2(strength=0.01)", network, FULL_BATCH) != pytest.approx(theirs, rel=1e-3)


@NETWORKS
def test_a_weighted_run_is_that_of_a_plain_torch_loop(network: Network | Callable[[], nn.Module]) -> None:
    data = blobs()
    own = np.random.default_rng(2).uniform(0.5, 1.5, 90).astype(np.float32)
    counts = np.bincount(data.y_train)
    row_weights = torch.from_numpy((90 / (3 * counts))[data.y_train] * own)
    stack = engine.make_stack(weighted(data, own), [Variant(Recipe(), 3)], network, BALANCED)
    (block,) = stack.blocks
    module = block.module(block.variant_values(block.state_dict(), (0, 0)), Variant(Recipe(), 3)).double().train()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.3)
    x, y = torch.from_numpy(data.x_train).double(), torch.from_numpy(data.y_train)
    orders = batch_orders(3, 90, 16)
    for _ in range(BALANCED.n_epochs):
        for rows in torch.from_numpy(next(orders)[:80]).view(5, 16):
            loss = (row_weights[rows] * nn.functional.cross_entropy(module(x[rows]), y[rows], reduction="none")).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            assert stack.step()[0].item() == pytest.approx(loss.item(), rel=1e-6)


def test_balanced_classes_are_those_of_scikit_learn() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    data = blobs()
    balanced = compute_class_weight("balanced", classes=np.arange(3), y=data.y_train)
    by_row = losses(weighted(data, balanced[data.y_train]), "none", mlp(8), BATCHES)
    assert losses(data, "none", mlp(8), BALANCED) == pytest.approx(by_row, rel=1e-6)
    assert losses(data, "none", mlp(8), BATCHES) != pytest.approx(by_row, rel=1e-2)


@pytest.mark.parametrize(
    "recipe",
    [
        "none",
        "Dropout(rate=0.2) + BatchNorm + L2(strength=0.01)",
        "LabelSmoothing(strength=0.1)",
        "Mixup(alpha=0.5)",
        "FGSM(radius=0.1) + SAM",
        "RDrop + Dropout(rate=0.3)",
    ],
)
def test_both_engines_weigh_alike(recipe: str) -> None:
    data, variant = blobs(), Variant(Recipe.parse(recipe), 1)
    own = np.random.default_rng(3).uniform(0.5, 1.5, 90)
    for each in (data, *([weighted(data, own)] if "Mixup" not in recipe else [])):
        fast = engine.step_losses(each, variant, mlp(8), BALANCED, 20)
        assert fast == pytest.approx(vanilla.step_losses(each, variant, mlp(8), BALANCED, 20), rel=1e-9)


def test_both_engines_weigh_the_rows_of_a_regression_alike() -> None:
    data = weighted(blobs(task="regression"), np.random.default_rng(3).uniform(0.5, 1.5, 90))
    variant = Variant(Recipe.parse("Dropout"), 1)
    fast = engine.step_losses(data, variant, mlp(8), BATCHES, 20)
    assert fast == pytest.approx(vanilla.step_losses(data, variant, mlp(8), BATCHES, 20), rel=1e-9)


@NETWORKS
def test_neighbours_change_nothing_in_a_weighted_run(network: Network | Callable[[], nn.Module]) -> None:
    data = weighted(blobs(), np.random.default_rng(4).uniform(0.5, 1.5, 90))
    recipes = ("none", "L2(strength=0.1)", "LabelSmoothing", "BatchNorm")
    members = [Variant(Recipe.parse(recipe), seed) for recipe in recipes for seed in (0, 1, 2)]
    protocol = replace(BALANCED, restore_best=True)
    together = {(run.recipe, run.seed): run for run in engine.train_variants(data, members, network, protocol)}
    for variant in members[::4]:
        (alone,) = engine.train_variants(data, [variant], network, protocol)
        run = together[alone.recipe, alone.seed]
        assert run.best_epoch == alone.best_epoch
        assert run.curves == {name: pytest.approx(curve, rel=1e-9) for name, curve in alone.curves.items()}


def test_equal_weights_are_none() -> None:
    data = blobs()
    plain = losses(data, "Dropout", mlp(8), BATCHES)
    assert losses(weighted(data, np.ones(90)), "Dropout", mlp(8), BATCHES) == pytest.approx(plain, rel=1e-12)


def test_scores_and_curves_of_evaluation_are_not_weighed() -> None:
    data = blobs()
    (run,) = engine.train_variants(data, [Variant(Recipe(), 0)], mlp(8), BALANCED)
    with torch.no_grad():
        z = run.model(torch.from_numpy(data.x_valid).double())
    loss = nn.functional.cross_entropy(z, torch.from_numpy(data.y_valid)).item()
    assert run.scores["valid"]["log_loss"] == pytest.approx(loss, rel=1e-9)
    assert run.curves["valid_loss"][-1] == pytest.approx(loss, rel=1e-9)


@pytest.mark.parametrize("recipe", ["Mixup", "CutMix"])
def test_rows_with_weights_are_not_mixed(digits: Data, images: Data, recipe: str) -> None:
    data = weighted(images, np.ones(len(images.x_train)))
    with pytest.raises(ValueError, match=rf"{recipe}.* mixes rows, and the rows here have weights of their own"):
        engine.step_losses(data, Variant(Recipe.parse(recipe), 0), mlp(4), BATCHES, 1)


def test_the_classes_of_a_number_cannot_be_balanced() -> None:
    with pytest.raises(ValueError, match="class_weight='balanced' is for classes, and the target here is a number"):
        engine.train(blobs(task="regression"), "none", mlp(4), BALANCED)
