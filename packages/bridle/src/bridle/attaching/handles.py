"""Which handle acts in a model: every part of an attached model says so, as long as the recipe is attached."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from torch import nn
from torch.optim import Optimizer

from bridle.attaching.folding import is_ours
from bridle.attaching.groups import held_by
from bridle.errors import InputError
from bridle.places import ActivityLoss, Layer, WeightLayer
from bridle.places.module import WeightModule
from bridle.recipe import Recipe

MARK = "_recipe_handle"  # among the attributes of a part


class Holder:
    """Keeps a handle with a part of its model; a copy of the part, or what was pickled of it, has none."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle

    def __deepcopy__(self, memo: dict[int, Any]) -> None:
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()


def hold(model: nn.Module, handle: Any, undo: ExitStack) -> None:
    """Let all parts of a model say which handle acts in it."""
    holder = Holder(handle)
    for part in model.modules():
        if not isinstance(vars(part).get(MARK), Holder):
            vars(part)[MARK] = holder
            undo.callback(vars(part).pop, MARK, None)


def handles_of(model: nn.Module) -> list[Any]:
    """The handles that act in a model, or in a part of it, or in what it is a part of."""
    marks = [vars(part).get(MARK) for part in model.modules()]
    return [*dict.fromkeys(mark.handle for mark in marks if isinstance(mark, Holder))]


def check_free(model: nn.Module, optimizer: Optimizer, recipe: Recipe) -> None:
    """Raise ``ValueError`` where a recipe is attached already, which this one would act besides."""
    held = {*held_by(optimizer)}
    for handle in handles_of(model):
        shared = held & {each.parameter for each in handle.parts.targets}
        if shared or (stands(handle.recipe) and stands(recipe)):
            raise InputError(
                f"{str(handle.recipe)!r} is attached already, to this model, a part of it or what it is a part of: end "
                f"that first, bridle.attached(model).finish() or .detach(), or attach the sum of both"
            )
    if any(MARK in vars(part) and vars(part)[MARK] is None for part in model.modules()) and has_remains(model):
        raise InputError(
            "this is a copy of a model with a recipe attached: its layers and hooks are in it, and no handle knows of "
            "them; copy or save what handle.finish() gives back, or the state_dict"
        )


def has_remains(model: nn.Module) -> bool:
    """Whether layers or hooks of a recipe are in a model."""
    hooks = [
        each for part in model.modules() for each in (*part._forward_hooks.values(), *part._forward_pre_hooks.values())
    ]
    return any(is_ours(hook) for hook in hooks) or any(isinstance(part, WeightModule) for part in model.modules())


def stands(recipe: Recipe) -> bool:
    """Whether a recipe puts something into a model."""
    return any(isinstance(unit, Layer | WeightLayer | ActivityLoss) for unit in recipe)
