"""A registry of handles: each module of an attached model refers to its handle."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Protocol

from torch import nn
from torch.optim import Optimizer

from bridle.attaching.assembly import Assembly
from bridle.attaching.folding import is_recipe_hook
from bridle.attaching.parameter_groups import optimized_parameters
from bridle.errors import InputError
from bridle.places.module import WeightModule
from bridle.recipe import Recipe

__all__ = ["check_not_attached", "handles_of", "register_handle"]

MARK = "_recipe_handle"  # among the attributes of a part


class RecipeHandle(Protocol):
    """The handle of an attached recipe."""

    recipe: Recipe
    parts: Assembly


class HandleReference:
    """A reference to a handle, kept by a module; it is not copied or pickled with the module."""

    def __init__(self, handle: RecipeHandle) -> None:
        self.handle = handle

    def __deepcopy__(self, memo: dict[int, Any]) -> None:
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()


def register_handle(model: nn.Module, handle: RecipeHandle, undo: ExitStack) -> None:
    """Register the handle with all modules of a model."""
    holder = HandleReference(handle)
    for part in model.modules():
        if not isinstance(vars(part).get(MARK), HandleReference):
            vars(part)[MARK] = holder
            undo.callback(vars(part).pop, MARK, None)


def handles_of(model: nn.Module) -> list[RecipeHandle]:
    """Return the handles that are attached to a model, to a part of it, or to a model that it is part of."""
    marks = [vars(part).get(MARK) for part in model.modules()]
    return [*dict.fromkeys(mark.handle for mark in marks if isinstance(mark, HandleReference))]


def check_not_attached(model: nn.Module, optimizer: Optimizer, recipe: Recipe) -> None:
    """Raise ``ValueError`` if a recipe is attached already to the same modules or parameters."""
    held = {*optimized_parameters(optimizer)}
    for handle in handles_of(model):
        shared = held & {each.parameter for each in handle.parts.parameters}
        if shared or (inserts_modules(handle.recipe) and inserts_modules(recipe)):
            raise InputError(
                f"{str(handle.recipe)!r} is attached already, to this model, a part of it or what it is a part of: end "
                f"that first, bridle.attached(model).finish() or .detach(), or attach the sum of both"
            )
    if any(MARK in vars(part) and vars(part)[MARK] is None for part in model.modules()) and has_recipe_modules(model):
        raise InputError(
            "this is a copy of a model with a recipe attached: its layers and hooks are in it, and no handle knows of "
            "them; copy or save what handle.finish() gives back, or the state_dict"
        )


def has_recipe_modules(model: nn.Module) -> bool:
    """Return True if a model has layers or hooks of a recipe."""
    hooks = [
        each for part in model.modules() for each in (*part._forward_hooks.values(), *part._forward_pre_hooks.values())
    ]
    return any(is_recipe_hook(hook) for hook in hooks) or any(
        isinstance(part, WeightModule) for part in model.modules()
    )


def inserts_modules(recipe: Recipe) -> bool:
    """Return True if a recipe inserts modules or hooks into a model."""
    return any(unit.in_network for unit in recipe)
