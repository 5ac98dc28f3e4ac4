"""What lasts when a recipe goes: layers that belong to the network, and what detaching would lose."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from bridle.attaching.assembly import Assembly
from bridle.errors import StateError
from bridle.places import Layer, WeightLayer


def belongs_to_network(unit: Any) -> bool:
    """Whether a layer acts once training is over, too: the network is then not the same without it."""
    if not isinstance(unit, Layer | WeightLayer):
        return False
    if unit.parameters or unit.state:
        return True
    probe = torch.ones(1, 2, 2)
    return type(unit).evaluate(probe, **type(unit)().keywords()) is not probe


def check_detach(parts: Assembly) -> None:
    """Raise ``RuntimeError`` where detaching would leave another network than was trained; warn of lesser losses."""
    if not parts.moment.step:
        return
    layers = [
        unit for unit in parts.recipe if belongs_to_network(unit) and any(unit is whose for whose, *_ in parts.log)
    ]
    if layers:
        raise StateError(
            f"the trained network is another one without {', '.join(map(repr, layers))}, which detach would take out; "
            f"handle.finish() hands over the model that was evaluated, handle.detach(discard=True) takes them out"
        )
    if parts.stopping.best and not holds(parts.model.state_dict(), parts.stopping.best):
        lost = "the weights of the best epoch are not in the model"
    elif any(not average.is_in() for average in parts.averages):
        lost = "the averaged weights are not in the model, but those of the last step"
    elif any(copies.copies for copies in parts.copies):
        lost = "the copies of the ensemble are gone, and the model has the weights of the last step"
    else:
        return
    warnings.warn(
        f"detached, and {lost}: handle.finish() leaves in the model what was evaluated", UserWarning, stacklevel=3
    )


def holds(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> bool:
    """Whether a model has these weights."""
    return all(torch.equal(state[name], each.to(state[name].device)) for name, each in wanted.items())
