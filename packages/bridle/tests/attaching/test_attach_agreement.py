"""The attached loop and the engine walk the same path, step by step: every regularizer, every optimizer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bridle import engine, seeded_draws
from bridle.attaching import attach
from bridle.data import Data, load
from bridle.engine.user_modules import build_module
from bridle.networks import MLP, convnet, mlp, residual_mlp
from bridle.places import Ensemble
from bridle.protocol import ADAMW_DECAY, BETAS, EPS, LEARNING_RATES, MOMENTUM, Protocol, Variant
from bridle.recipe import Recipe, Regularizer
from bridle.regularizers import CATALOG, WeightDecay
from bridle.training_rules import MEASURED_BATCH, MEASURED_ROWS

PERCEPTRON = mlp(16, 8)
SEED, ROWS, EPOCHS = 3, 256, 2
MANY = (
    "Mixup(alpha=0.4) + Dropout(rate=0.1, at='all') + Dropout(rate=0.3) + BatchNorm(momentum=0.3) + WeightNorm"
    " + L2(strength=linear(0.0, 0.01)) + ActivityL2 + RDrop + SAM + ClipNorm + WeightDecay(strength=0.1) + MaxNorm"
    " + EMA"
)


@pytest.fixture(scope="module")
def digits() -> Data:
    """As images, since some regularizers are for nothing else, and few."""
    parts = ((x[:ROWS].reshape(-1, 8, 8), y[:ROWS]) for x, y in load("digits").splits().values())
    return Data(*(each for part in parts for each in part))


def network_for(leaf: type[Regularizer]) -> Any:
    """One in which it acts: residual branches for those that stand there, images for those on maps."""
    unit = leaf()
    if getattr(unit, "at", "") == "residual":
        return residual_mlp(16, 2)
    return convnet(4, 6) if getattr(leaf, "maps", False) else PERCEPTRON


def module_for(network: Any, data: Data) -> nn.Module:
    """The network with the initial weights that the engine gives it under the seed; it takes images."""
    shape, outputs = data.x_train.shape[1:], data.n_outputs
    if not isinstance(network, MLP):
        return build_module(network.factory(shape, outputs), SEED).double()
    plain = network.build(int(np.prod(shape)), outputs).double()
    weighted = [part for part in plain if isinstance(part, nn.Linear)]
    for number, part in enumerate(weighted):
        weight, bias = seeded_draws.linear_weights(SEED, number, part.in_features, part.out_features)
        part.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
    return nn.Sequential(OrderedDict([("flatten", nn.Flatten()), *plain.named_children()]))


def optimizer_for(name: str, model: nn.Module, lr: float) -> torch.optim.Optimizer:
    if name in ("sgd", "momentum"):
        return torch.optim.SGD(model.parameters(), lr=lr, momentum=MOMENTUM if name == "momentum" else 0.0)
    if name == "adamw":
        return torch.optim.AdamW(model.parameters(), lr=lr, betas=BETAS, eps=EPS, weight_decay=ADAMW_DECAY)
    return torch.optim.Adam(model.parameters(), lr=lr, betas=BETAS, eps=EPS)


def greatest_difference(
    data: Data, recipe: Recipe, optimizer: str, network: Any = PERCEPTRON, attached: Recipe | None = None
) -> float:
    """Between the losses of every step, and the outputs behind every fifth and at the end, averages in place."""
    protocol = Protocol(optimizer, batch_size=32, epochs=EPOCHS, precision="float64")
    stack = engine.make_stack(data, [Variant(recipe, SEED)], network, protocol, torch.device("cpu"))
    training = stack.trainings[0]
    rows = torch.from_numpy(data.x_train).double()
    targets = torch.from_numpy(data.y_train).long()
    valid = stack.data.x["valid"]
    images = torch.from_numpy(data.x_valid).double()
    model = module_for(network, data)
    own = optimizer_for(optimizer, model, protocol.learning_rate(0, stack.steps))
    criterion = nn.CrossEntropyLoss()
    handle = attach(model, own, attached or recipe, loss=criterion, steps=stack.steps, example=rows[:2], seed=SEED)
    order = batches(SEED, len(rows), 32)
    differences = []
    for step in range(stack.steps):
        for group in own.param_groups:
            group["lr"] = rate(protocol, recipe, step, stack.steps)
        theirs = stack.step(with_penalties=True)[0].item()
        chosen = torch.from_numpy(next(order))
        before = handle.penalty_value().item()
        x, y = handle.batch(rows[chosen], targets[chosen])
        loss = criterion(model(x), y) + handle.penalty()
        loss.backward()
        handle.ascend(lambda: criterion(model(x), y) + handle.penalty())  # noqa: B023  (called at once)
        own.step()
        own.zero_grad()
        differences.append(abs(loss.item() + before - theirs) / abs(theirs))
        if step % 5 == 0:
            differences.append(apart(model, images, training.block.predict(valid)))
    parts, measured = rows[:MEASURED_ROWS].split(MEASURED_BATCH), stack.data.x["train"][:MEASURED_ROWS]
    with handle.averaged(parts), training.regularizers.final_values(measured):
        differences.append(apart(model, images, training.block.predictions(valid)))
    return max(differences)


def apart(model: nn.Module, images: torch.Tensor, outputs: torch.Tensor) -> float:
    """How far the model's outputs are from the engine's."""
    with torch.no_grad():
        z = model.eval()(images)
    model.train()
    return float((z - outputs[0, 0]).abs().max() / outputs.abs().max())


def batches(seed: int, rows: int, size: int) -> Iterator[np.ndarray]:
    """The rows of each step."""
    for order in seeded_draws.batch_orders(seed, rows, size):
        yield from order.reshape(-1, size)


def rate(protocol: Protocol, recipe: Recipe, step: int, steps: int) -> float:
    """The learning rate of a step; an ensemble begins its schedule anew in every cycle."""
    ensembles = [unit for unit in recipe if isinstance(unit, Ensemble)]
    return protocol.learning_rate(*(ensembles[0].warped(step, steps) if ensembles else (step, steps)))


@pytest.mark.parametrize("optimizer", LEARNING_RATES)
@pytest.mark.parametrize("name", CATALOG)
def test_every_regularizer_acts_as_in_the_engine(digits: Data, name: str, optimizer: str) -> None:
    leaf = CATALOG[name]
    recipe = Recipe.of(leaf())
    if optimizer == "adamw" and not any(isinstance(each, WeightDecay) for each in recipe):
        recipe += WeightDecay(strength=0.02)  # else the engine decays what a recipe brings along, too
    assert greatest_difference(digits, recipe, optimizer, network_for(leaf)) < 1e-9


@pytest.mark.parametrize("network", [PERCEPTRON, convnet(4, 6), residual_mlp(16, 1)], ids=str)
def test_many_together_act_as_in_the_engine(digits: Data, network: Any) -> None:
    assert greatest_difference(digits, Recipe.parse(MANY), "momentum", network) < 1e-9


@pytest.mark.parametrize("network", [PERCEPTRON, residual_mlp(16, 1)], ids=str)
def test_a_penalty_on_the_input_sees_what_stands_before_it_as_in_the_engine(digits: Data, network: Any) -> None:
    recipe = Recipe.parse(
        "BatchNorm(at='input') + ActivityL1(strength=0.1, at='input') + Dropout(rate=0.2, at='input')"
    )
    assert greatest_difference(digits, recipe, "sgd", network) < 1e-9


def test_the_comparison_would_notice_a_strength_that_is_one_part_in_a_million_off(digits: Data) -> None:
    right, wrong = (Recipe.parse(f"L2(strength={strength})") for strength in (0.01, 0.01000001))
    assert greatest_difference(digits, right, "sgd", attached=wrong) > 1e-9
