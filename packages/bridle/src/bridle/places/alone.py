"""Checks of a regularizer that is used alone, without a recipe: what it acts on, and with which knobs."""

from __future__ import annotations

from torch import Tensor

from bridle.errors import InputError
from bridle.knobs import knobs
from bridle.places.base import Placed
from bridle.schedules import PerLayer

__all__ = ["check_same_shape", "check_settled", "check_tensor"]


def check_settled(unit: Placed) -> None:
    """Raise ``InputError`` for knobs that change over the training or differ from layer to layer."""
    if unit.is_scheduled or any(isinstance(getattr(unit, each.name), PerLayer) for each in knobs(unit)):
        raise InputError(
            f"{unit!r} has knobs that change over the training or from layer to layer; used alone it takes plain "
            f"numbers, which .at_moment() gives"
        )


def check_tensor(unit: Placed, given: object, name: str, *, axes: int = 0) -> None:
    """Raise ``InputError`` for what a regularizer cannot act on: no tensor of real numbers, or one of too few axes."""
    if not isinstance(given, Tensor):
        raise InputError(f"{unit!r} acts on tensors, got {type(given).__name__}; give torch.as_tensor({name})")
    if not given.is_floating_point():
        raise InputError(f"{unit!r} acts on real numbers, and {name} is {given.dtype}; give {name}.float()")
    if not given.numel():
        raise InputError(f"{unit!r} acts on numbers, and {name} of the shape {tuple(given.shape)} has none")
    if given.ndim < axes:
        shape = tuple(given.shape)
        raise InputError(f"{unit!r} acts on a batch of rows, and {name} has the shape {shape}; give (batch, units)")


def check_same_shape(unit: Placed, one: Tensor, other: Tensor, names: str) -> None:
    """Raise ``InputError`` for two tensors of which the formula wants the same shape."""
    if one.shape != other.shape:
        raise InputError(f"{unit!r} takes {names} of one shape, got {tuple(one.shape)} and {tuple(other.shape)}")
