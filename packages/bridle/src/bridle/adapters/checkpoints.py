"""Checkpoints of a training with a recipe: the state to resume from, and weights under the model's own names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from bridle.attaching import Handle
from bridle.attaching.detaching import acts_in_evaluation
from bridle.module_sites import PREFIX
from bridle.recipe import Recipe

__all__ = ["end_training", "keeps_layers", "load_as_plain", "resume", "training_state", "weights_to_save"]

PARAMETRIZED = "parametrizations."


def training_state(handle: Handle) -> dict[str, Any]:
    """Return what a training resumes from, but for the optimizer: the weights that train and the recipe's state."""
    return {"weights": handle.model.state_dict(), "handle": handle.state_dict()}


def resume(handle: Handle, state: Mapping[str, Any]) -> None:
    """Resume from a state; from weights alone, if it has no more, where averages begin anew."""
    if "weights" in state:
        handle.model.load_state_dict(state["weights"])
        for average in handle.parts.averages:
            average.copy_from_model()
    if "handle" in state:
        handle.load_state_dict(state["handle"])


def end_training(handle: Handle, batches: Iterable[Any] | None) -> bool:
    """Leave the final weights in the model; return True if the recipe is off again, and no layer of it had to stay."""
    if keeps_layers(handle.recipe):
        handle.hand_over(batches)
        return False
    handle.finish(batches)
    return True


def keeps_layers(recipe: Recipe) -> bool:
    """Return True if layers of the recipe, such as norms, have become a part of the network."""
    return any(acts_in_evaluation(unit) for unit in recipe)


def plain_weights(weights: Mapping[str, Tensor], names: Collection[str]) -> dict[str, Tensor]:
    """Rename weights that were saved with a recipe attached to ``names``, those of the model without it.

    Parameters and state of the recipe's own are left out; everything else stays, be it known to the model or not.
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


def load_as_plain(model: nn.Module) -> RemovableHandle:
    """Let a model without a recipe load weights that were saved with one, until the hook is removed."""
    names = set(model.state_dict())

    def hook(model: nn.Module, state: dict[str, Tensor], *details: object) -> None:
        own = plain_weights(state, names)
        state.clear()
        state.update(own)

    handle: RemovableHandle = model.register_load_state_dict_pre_hook(hook)
    return handle


def weights_to_save(weights: Mapping[str, Tensor], names: Collection[str], recipe: Recipe) -> dict[str, Tensor]:
    """Return weights under the model's own names, unless layers of the recipe belong to the model now.

    A model without those layers refuses to load the latter, as their names tell.
    """
    return dict(weights) if keeps_layers(recipe) else plain_weights(weights, names)
