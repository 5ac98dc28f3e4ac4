"""Every regularizer of the catalog in the stacked engine: apart from its neighbours, in any module, in what is left."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from bridle import engine
from bridle.data import Data
from bridle.networks import MLP, Network, convnet, mlp, residual_mlp
from bridle.protocol import Protocol, Variant
from bridle.recipe import Recipe, Regularizer
from bridle.regularizers import CATALOG
from bridle.results import Run
from bridle.seeded_draws import linear_weights

EXACT = Protocol("momentum", batch_size=64, epochs=4, precision="float64")
STEPS = 6
NETWORK = mlp(16, 8)
SEEDS = (3, 5)


def needs_branches(leaf: type[Regularizer]) -> bool:
    return leaf().settings(numbers=False).get("at") == "residual"


def recipe_of(name: str) -> Recipe:
    """The regularizer at its defaults, where a perceptron has a place for it."""
    return Recipe.parse(f"{name}(at='hidden')" if needs_branches(CATALOG[name]) else name)


def step_losses(stack: engine.Stack, steps: int) -> dict[Variant, list[float]]:
    found: dict[Variant, list[float]] = {variant: [] for variant in stack.variants}
    for _ in range(steps):
        for block, losses in zip(stack.blocks, stack.step(with_penalties=True), strict=True):
            for index, variant in block.indexed_variants():
                found[variant].append(losses[index].item())
    return found


@pytest.fixture(scope="module")
def everything(images: Data) -> dict[Variant, list[float]]:
    """The first losses of the whole catalog in one stack."""
    members = [Variant(recipe_of(name), seed) for name in CATALOG for seed in SEEDS]
    return step_losses(engine.make_stack(images, members, NETWORK, EXACT), STEPS)


@pytest.mark.parametrize("name", CATALOG)
def test_alone_or_beside_the_whole_catalog_is_the_same(
    images: Data, everything: dict[Variant, list[float]], name: str
) -> None:
    variant = Variant(recipe_of(name), SEEDS[1])
    (alone,) = step_losses(engine.make_stack(images, [variant], NETWORK, EXACT), STEPS).values()
    assert everything[variant] == pytest.approx(alone, rel=1e-9)


def test_leaving_in_the_middle_changes_nothing_for_the_others(
    images: Data, everything: dict[Variant, list[float]]
) -> None:
    stack = engine.make_stack(images, list(everything), NETWORK, EXACT)
    before = step_losses(stack, 3)
    stack.remove(stack.variants[::3])
    after = step_losses(stack, STEPS - 3)
    for variant, losses in after.items():
        assert [*before[variant], *losses] == pytest.approx(everything[variant], rel=1e-9), variant
    assert 0 < len(after) < len(everything)


class Same(nn.Module):
    """The built-in perceptron as a user would write it, with the initial weights of one seed."""

    def __init__(self, network: MLP, inputs: int, outputs: int, seed: int) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        widths = network.widths(inputs, outputs)
        self.names = network.layer_names()
        for number, name in enumerate(self.names):
            weight, bias = linear_weights(seed, number, widths[number], widths[number + 1])
            linear = nn.Linear(widths[number], widths[number + 1]).double()
            linear.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
            self.add_module(name, linear)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h: torch.Tensor = self.flatten(x)
        for name in self.names[:-1]:
            h = torch.relu(getattr(self, name)(h))
        z: torch.Tensor = getattr(self, self.names[-1])(h)
        return z


def factory(data: Data) -> Callable[[], nn.Module]:
    return lambda: Same(NETWORK, data.n_inputs, data.n_outputs, SEEDS[0])


@pytest.mark.parametrize("name", CATALOG)
def test_a_module_of_the_users_own_takes_the_steps_of_the_built_in_network(images: Data, name: str) -> None:
    variant = Variant(recipe_of(name), SEEDS[0])
    built_in = engine.step_losses(images, variant, NETWORK, EXACT, STEPS)
    assert engine.step_losses(images, variant, factory(images), EXACT, STEPS) == pytest.approx(built_in, rel=1e-9)


def trained(data: Data, recipe: Recipe, network: Network, protocol: Protocol) -> Run:
    return engine.train(data, recipe, network, protocol, seed=1)


@pytest.mark.parametrize("own", [False, True], ids=["built-in", "own module"])
@pytest.mark.parametrize("name", CATALOG)
def test_the_module_that_a_run_ends_with_scores_what_the_run_says(images: Data, name: str, own: bool) -> None:
    network = factory(images) if own else NETWORK
    run = trained(images, recipe_of(name), network, Protocol(batch_size=64, epochs=3, precision="float64"))
    rows = torch.from_numpy(images.x_valid).double()
    z = run.model(rows if own else rows.flatten(1)).detach()
    loss = nn.functional.cross_entropy(z, torch.from_numpy(images.y_valid)).item()
    assert loss == pytest.approx(run.scores["valid"]["log_loss"], rel=1e-9)
    assert run.curves["valid_loss"][(run.best_epoch or 3) - 1] == pytest.approx(loss, rel=1e-9)


@pytest.mark.parametrize(
    "recipe",
    ["none", "SpatialDropout(rate=0.1)", "DropBlock(rate=0.05)", "BatchNorm + ImageShift", "GroupNorm(groups='4')"],
)
def test_a_convolutional_network_learns(images: Data, recipe: str) -> None:
    run = trained(images, Recipe.parse(recipe), convnet(8, 16), Protocol(lr=0.005, epochs=15, batch_size=64))
    assert run.scores["valid"]["accuracy"] > 0.9


@pytest.mark.parametrize("recipe", ["none", "StochasticDepth(rate=0.2)", "LayerNorm + Dropout(rate=0.1)"])
def test_a_residual_network_learns(digits: Data, recipe: str) -> None:
    run = trained(digits, Recipe.parse(recipe), residual_mlp(32, 2), Protocol(lr=0.005, epochs=15, batch_size=64))
    assert run.scores["valid"]["accuracy"] > 0.9


def test_branches_are_dropped_by_row(digits: Data) -> None:
    protocol = Protocol(epochs=1, batch_size=64, precision="float64")
    plain, dropped = (
        engine.step_losses(digits, Variant(Recipe.parse(recipe), 0), residual_mlp(16, 2), protocol, 1)[0]
        for recipe in ("none", "StochasticDepth(rate=0.5)")
    )
    assert np.isfinite(dropped)
    assert dropped != plain


def test_a_penalty_on_a_layer_that_is_not_there_is_refused(digits: Data) -> None:
    with pytest.raises(ValueError, match=r"residual_mlp"):
        trained(digits, Recipe.parse("StochasticDepth(rate=0.5)"), NETWORK, EXACT)
    with pytest.raises(ValueError, match=r"is for images"):
        trained(digits, Recipe.parse("ImageShift"), NETWORK, EXACT)


def test_classes_are_asked_for_where_they_are_needed(diabetes: Data) -> None:
    with pytest.raises(ValueError, match=r"LabelSmoothing.* is for classes"):
        trained(diabetes, Recipe.parse("LabelSmoothing"), NETWORK, EXACT)
