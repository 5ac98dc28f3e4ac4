"""Checks that a trainer can train with a recipe, and the parts of a recipe that a training step must serve."""

from __future__ import annotations

from torch import nn

from bridle.errors import InputError
from bridle.places.forward import ForwardRegularizer
from bridle.recipe import Recipe, RecipeLike, Regularizer

__all__ = [
    "batch_penalties",
    "check_validation",
    "check_wrapper",
    "has_second_gradient",
    "loss_dependent",
    "single_network_recipe",
]


def single_network_recipe(recipe: RecipeLike) -> Recipe:
    """Return the recipe; raise ``ValueError`` for an ensemble, as a trainer saves and tests one network."""
    parsed = Recipe.of(recipe)
    for unit in parsed:
        if unit.several_networks:
            raise InputError(
                f"{unit!r} is several networks, and this trainer saves and tests one; take EMA or SWA, or attach it in "
                f"a loop of your own"
            )
    return parsed


def has_second_gradient(recipe: Recipe) -> bool:
    """Return True if each step takes the gradient twice, as with SAM."""
    return any(unit.second_pass for unit in recipe.at("gradient"))


def batch_penalties(recipe: Recipe) -> list[Regularizer]:
    """Return the penalties that depend on the batch, so that they must be added to the loss itself."""
    return [unit for unit in recipe.at("loss") if not unit.on_parameters]


def loss_dependent(recipe: Recipe) -> list[Regularizer]:
    """Return the regularizers that need the loss of a step, to add to it or to compute it again."""
    return [*batch_penalties(recipe), *(unit for unit in recipe.at("gradient") if unit.second_pass)]


def check_validation(recipe: Recipe, *, validates: bool, hint: str) -> None:
    """Raise ``ValueError`` for a recipe that stops by validation scores where there are none."""
    for unit in recipe.at("stop"):
        if not validates:
            raise InputError(f"{unit!r} stops by validation scores, and there are none; {hint}")


def check_wrapper(recipe: Recipe, model: nn.Module, wrapper: nn.Module) -> None:
    """Raise ``ValueError`` for a recipe with weights of its own where the model is wrapped already, as for DDP."""
    if wrapper is model:
        return
    for unit in recipe:
        if isinstance(unit, ForwardRegularizer) and (unit.parameters or unit.state):
            raise InputError(
                f"{unit!r} brings along weights or statistics, and {type(wrapper).__name__} shares only those that the "
                f"model had when it was wrapped; put such layers into the model"
            )
