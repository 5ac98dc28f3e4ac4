"""What the adapters to trainers share: what a trainer can be asked for, and what it leaves behind."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from bridle.acting import MEASURED_ROWS
from bridle.attaching import Handle
from bridle.attaching.detaching import acts_in_evaluation
from bridle.errors import InputError
from bridle.module_sites import PREFIX
from bridle.places import ActivityLoss, Ascent, Ensemble, Layer, OutputLoss, PassLoss, Stop, WeightLayer
from bridle.recipe import Recipe, RecipeLike

PARAMETRIZED = "parametrizations."


def read(recipe: RecipeLike) -> Recipe:
    """The recipe; ``ValueError`` where a trainer, which saves and tests one network, cannot have it."""
    read = Recipe.of(recipe)
    for unit in read:
        if isinstance(unit, Ensemble):
            raise InputError(
                f"{unit!r} is several networks, and this trainer saves and tests one; take EMA or SWA, or attach it in "
                f"a loop of your own"
            )
    return read


def of_kind(recipe: Recipe, *kinds: type[Any]) -> list[Any]:
    """The regularizers of a recipe that are of some base."""
    return [unit for unit in recipe if isinstance(unit, kinds)]


def in_the_loss(recipe: Recipe) -> list[Any]:
    """Those that add to the loss itself, as they depend on what the network makes of a batch."""
    return of_kind(recipe, ActivityLoss, OutputLoss, PassLoss)


def lines(recipe: Recipe) -> list[Any]:
    """Those that need the loss of a step, as a number to add to or to compute again."""
    return [*in_the_loss(recipe), *of_kind(recipe, Ascent)]


def state_of(handle: Handle) -> dict[str, Any]:
    """What a training goes on from, but for the optimizer: the weights that train, and what the recipe remembers."""
    return {"weights": handle.model.state_dict(), "handle": handle.state_dict()}


def go_on(handle: Handle, state: Mapping[str, Any]) -> None:
    """Go on from a state; from weights alone, if it has no more: averages begin there."""
    if "weights" in state:
        handle.model.load_state_dict(state["weights"])
        for average in handle.parts.averages:
            average.take()
    if "handle" in state:
        handle.load_state_dict(state["handle"])


def end(handle: Handle, batches: Iterable[Any] | None) -> bool:
    """End a training; tells whether the recipe is off again, or stays as it has become a part of the network."""
    if not any(acts_in_evaluation(unit) for unit in handle.recipe):
        handle.finish(batches)
        return True
    handle.hand_over(batches)
    return False


def check_stop(recipe: Recipe, *, validates: bool, hint: str) -> None:
    """Raise ``ValueError`` for a recipe that stops by validation scores where there are none."""
    for unit in of_kind(recipe, Stop):
        if not validates:
            raise InputError(f"{unit!r} stops by validation scores, and there are none; {hint}")


def check_wrapper(recipe: Recipe, model: nn.Module, wrapper: nn.Module) -> None:
    """Raise ``ValueError`` for a recipe with weights of its own where the model is wrapped already, as for DDP."""
    if wrapper is model:
        return
    for unit in of_kind(recipe, Layer, WeightLayer):
        if unit.parameters or unit.state:
            raise InputError(
                f"{unit!r} brings along weights or statistics, and {type(wrapper).__name__} shares only those that the "
                f"model had when it was wrapped; put such layers into the model"
            )


def plain(weights: Mapping[str, Tensor], names: Collection[str]) -> dict[str, Tensor]:
    """Weights that were saved with a recipe attached as the model without it, of these names, has them.

    What a recipe has brought along is left out; everything else stays, be it known to the model or not.
    """
    found = {}
    for name, each in weights.items():
        original = name.replace(PARAMETRIZED, "", 1).removesuffix(".original")
        if name in names:
            found[name] = each
        elif original in names:
            found[original] = each
        elif PREFIX not in name and PARAMETRIZED not in name:
            found[name] = each
    return found


def loading_plain(model: nn.Module) -> RemovableHandle:
    """Until it is removed, the model, to which nothing is attached, leaves out what a recipe has in what it loads."""
    names = set(model.state_dict())

    def hook(model: nn.Module, state: dict[str, Tensor], *details: Any) -> None:
        own = plain(state, names)
        state.clear()
        state.update(own)

    handle: RemovableHandle = model.register_load_state_dict_pre_hook(hook)
    return handle


def saved(weights: Mapping[str, Tensor], names: Collection[str], recipe: Recipe) -> dict[str, Tensor]:
    """Weights as they are to be saved: by the model's own names, unless layers of the recipe belong to it now.

    Whoever loads the latter without them is told so by their names.
    """
    return dict(weights) if any(acts_in_evaluation(unit) for unit in recipe) else plain(weights, names)


def first_rows(loader: Callable[[], Iterable[Any]], rows_of: Callable[[Any], int]) -> Iterator[Any]:
    """The first training batches, as many as running statistics are measured on; no random numbers are used up."""
    rows = 0
    with torch.random.fork_rng(devices=[]):  # a DataLoader draws a number when it begins
        for batch in loader():
            yield batch
            rows += rows_of(batch)
            if rows >= MEASURED_ROWS:
                return


def lend(undo: ExitStack, owner: Any, name: str, method: Callable[..., Any]) -> None:
    """Let an object have a method of ours until ``undo``; ours is given the object's own first."""
    own, before = getattr(owner, name), vars(owner).get(name)
    setattr(owner, name, functools.wraps(own)(functools.partial(method, own)))
    undo.callback(setattr, owner, name, before) if before is not None else undo.callback(delattr, owner, name)
