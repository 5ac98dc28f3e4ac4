"""The gradients that blocks of perceptrons find by hand are those that autograd finds."""

from __future__ import annotations

import pytest
import torch
from catalog_recipes import ON_IMAGES, ON_PERCEPTRONS

from bridle.data import Data
from bridle.engine import make_stack
from bridle.engine.block import TRAIN, ForwardContext
from bridle.engine.stack import Stack
from bridle.networks import MLP, linear, mlp
from bridle.protocol import Protocol, Variant
from bridle.recipe import Recipe

EXACT = Protocol(batch_size=32, epochs=2, precision="float64")
RECIPES = [
    "none",
    *ON_PERCEPTRONS,
    "Dropout(rate=0.3, at='input')",
    "Dropout(rate=linear(0.0, 0.5, over=0.5))",
    "BatchNorm(at='all') + Mixup + LabelSmoothing(strength=0.1) + Dropout(rate=0.2) + ConfidencePenalty(strength=0.1)",
    "InputNoise(spread=0.1) + LayerNorm + ActivityL1 + WeightNorm + DropConnect(rate=0.1)",
]


def stack(data: Data, recipes: list[str], network: MLP, protocol: Protocol = EXACT) -> Stack:
    variants = [Variant(Recipe.parse(recipe), seed) for recipe in recipes for seed in (0, 3)]
    made = make_stack(data, variants, network, protocol)
    for _ in range(3):
        made.step()
    return made


def assert_as_by_autograd(made: Stack, rtol: float = 1e-9) -> None:
    batch = made.batches.next()
    made.noise.next_step()
    for training in made.trainings:
        objective, context = training.objective, ForwardContext(TRAIN, made.noise, training.seed_index)
        with torch.no_grad():
            transformed = objective.transform_batch(batch, context)
            state = dict(training.block.state)  # which a pass moves
            expected = objective.gradients_by_autograd(transformed, context)
            training.block.state = state
            found = objective.losses_and_gradients(transformed, context)
        torch.testing.assert_close(found[:2], expected[:2], rtol=rtol, atol=rtol)
        assert found[2].keys() == expected[2].keys() == training.block.parameters.keys()
        for name, gradient in found[2].items():
            assert gradient.is_contiguous()
            torch.testing.assert_close(gradient, expected[2][name], rtol=rtol, atol=rtol, msg=str(name))


@pytest.mark.parametrize("recipe", RECIPES)
def test_of_one_recipe_under_two_seeds(digits: Data, recipe: str) -> None:
    assert_as_by_autograd(stack(digits, [recipe], mlp(12, 8)))


@pytest.mark.parametrize("recipe", ON_IMAGES)
def test_of_what_acts_on_images(images: Data, recipe: str) -> None:
    assert_as_by_autograd(stack(images, [recipe], mlp(12, 8)))


@pytest.mark.parametrize(
    "recipes",
    [
        ["none", "L2(strength=0.1)", "WeightDecay(strength=0.1)"],
        ["Dropout(rate=0.5)", "Dropout(rate=0.1)"],
        ["BatchNorm + WeightNorm", "BatchNorm(momentum=0.5) + WeightNorm"],
        ["Dropout(rate=0.5, at='all') + ActivityL1", "Dropout(rate=0.1, at='all') + ActivityL1(strength=0.1)"],
        ["Mixup(alpha=0.4) + ConfidencePenalty", "Mixup(alpha=0.1) + ConfidencePenalty(strength=0.3)"],
    ],
)
@pytest.mark.parametrize("network", [linear(), mlp(8), mlp(12, 8, 6)], ids=str)
def test_of_several_recipes_in_a_block(digits: Data, recipes: list[str], network: MLP) -> None:
    assert_as_by_autograd(stack(digits, recipes, network))


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "selu"])
def test_of_other_activations(digits: Data, activation: str) -> None:
    assert_as_by_autograd(stack(digits, ["BatchNorm + Dropout(rate=0.2)"], mlp(12, 8, activation=activation)))


@pytest.mark.parametrize("recipe", ["none", "Dropout(rate=0.2) + BatchNorm", "Mixup"])
def test_of_a_regression(diabetes: Data, recipe: str) -> None:
    assert_as_by_autograd(stack(diabetes, [recipe], mlp(12, 8)))


@pytest.mark.parametrize("recipe", ["none", "Mixup"])
def test_of_weighed_classes(digits: Data, recipe: str) -> None:
    protocol = Protocol(batch_size=32, epochs=2, precision="float64", class_weight="balanced")
    assert_as_by_autograd(stack(digits, [recipe], mlp(12, 8), protocol))


@pytest.mark.parametrize("recipe", ["none", "Dropout(rate=0.2) + BatchNorm", "WeightNorm", "DropConnect", "Mixup"])
def test_of_products_in_bfloat16(digits: Data, recipe: str) -> None:
    assert_as_by_autograd(
        stack(digits, [recipe], mlp(12, 8), Protocol(batch_size=32, epochs=2, precision="bfloat16")), rtol=0.02
    )
