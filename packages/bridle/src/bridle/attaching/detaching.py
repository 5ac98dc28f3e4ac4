"""Checks before a recipe is detached: layers that the network needs, averages that would be lost."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch
from torch import Tensor

from bridle.attaching.assembly import Assembly
from bridle.errors import StateError
from bridle.places.forward import ForwardRegularizer
from bridle.recipe import Regularizer

__all__ = ["acts_in_evaluation", "check_detach"]


def acts_in_evaluation(unit: Regularizer) -> bool:
    """Return True if a layer acts in evaluation mode, too: the network differs without it."""
    if not isinstance(unit, ForwardRegularizer):
        return False
    if unit.parameters or unit.state:
        return True
    probe = torch.ones(1, 2, 2)
    return type(unit).evaluate(probe, **type(unit)().keywords()) is not probe


def check_detach(parts: Assembly) -> None:
    """Raise ``RuntimeError`` if detaching changes the trained network; warn if averages or best weights are lost."""
    if not parts.progress.step:
        return
    layers = [
        unit
        for unit in parts.recipe
        if acts_in_evaluation(unit) and any(unit is whose for whose, *_ in parts.placements)
    ]
    if layers:
        raise StateError(
            f"the trained network is another one without {', '.join(map(repr, layers))}, which detach would take out; "
            f"handle.finish() hands over the model that was evaluated, handle.detach(discard=True) takes them out"
        )
    if parts.stopping.best and not has_weights(parts.model.state_dict(), parts.stopping.best):
        lost = "the weights of the best epoch are not in the model"
    elif any(not average.equals_model() for average in parts.averages):
        lost = "the averaged weights are not in the model, but those of the last step"
    elif any(ensemble.snapshots for ensemble in parts.ensembles):
        lost = "the copies of the ensemble are gone, and the model has the weights of the last step"
    else:
        return
    warnings.warn(
        f"detached, and {lost}: handle.finish() leaves in the model what was evaluated", UserWarning, stacklevel=3
    )


def has_weights(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> bool:
    """Return True if a state dict has these weights."""
    return all(torch.equal(state[name], each.to(state[name].device)) for name, each in wanted.items())
