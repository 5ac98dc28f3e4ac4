"""Torch's own modules in place of a recipe's layers, if they are equivalent in training as well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import nn

from bridle.places import Layer
from bridle.places.module import LayerModule, is_scheduled
from bridle.sites import LayerAtSite

__all__ = ["has_schedule", "is_torch_equivalent", "torch_equivalent"]


def torch_equivalent(each: LayerAtSite, units: int, ndim: int | None, *, last: bool) -> nn.Module | None:
    """Return torch's module for a layer; ``None`` if it has no equivalent.

    Torch's modules draw torch's noise, have no schedules, and find the units on the second axis. If the number of
    dimensions is unknown, only elementwise layers are equivalent.
    """
    if has_schedule(each):
        return None
    numbers: dict[str, Any] = each.layer.numbers(*each.site.names)
    made = replace(each.layer, **numbers).make_module(units, ndim or 2)
    elementwise = not (each.layer.maps or each.layer.parameters or each.layer.state)
    same = ndim == 2 or (ndim is not None and not last) or elementwise
    return made if same and not isinstance(made, LayerModule) else None


def has_schedule(each: LayerAtSite) -> bool:
    """Return True if a knob of a layer changes during training at its site."""
    return any(is_scheduled(value, each.site.names) for value in each.layer.settings(numbers=True).values())


def is_torch_equivalent(layer: Layer, part: nn.Module) -> bool:
    """Return True if a module of the model is torch's equivalent of this layer."""
    return any(type(type(layer)().module(1, axes)) is type(part) for axes in ((3, 4, 5) if layer.maps else (2,)))
