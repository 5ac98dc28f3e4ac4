"""Weight layers as parametrizations of the model's weights: a check beforehand, and their removal."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.utils import parametrize

from bridle.errors import InputError
from bridle.places.matrices import as_matrix, at_least_float32
from bridle.places.module import WeightModule

__all__ = ["check_learns", "unparametrize"]


def check_learns(made: WeightModule, name: str, weight: nn.Parameter, *, padding: int | None) -> None:
    """Raise ``ValueError`` if a formula gives no gradient to units whose weights are all zero.

    The row ``padding`` may stay at zero.
    """
    unit, matrix = made.layer, as_matrix(weight.detach(), transposed=made.transposed)
    zero_units = ~matrix.flatten(1).any(1)
    if padding is not None:
        zero_units[padding] = False
    if not unit.parameters or not matrix.numel() or not bool(zero_units.any()):
        return
    with torch.enable_grad():
        subject = matrix.to(at_least_float32(matrix.dtype), copy=True).requires_grad_()
        parameters = [getattr(made, each) for each in unit.parameters]
        state = [getattr(made, each) for each in unit.state._fields]
        acting = unit.call_evaluate(subject, parameters, state, made.knobs)
        gradients = torch.autograd.grad(acting[zero_units].sum(), [subject, *made.parameters()], allow_unused=True)
    if not any(each is not None and bool(each.any()) for each in gradients):
        raise InputError(
            f"{unit!r} cannot act on {name}, where {int(zero_units.sum())} of {len(matrix)} units begin at zero: its "
            f"formula gives them no gradient, so they would stay there; choose other parameters by on="
        )


def unparametrize(part: nn.Module, kind: str, order: Sequence[str]) -> None:
    """Remove a parametrization; the stored weight takes its old position among the parameters."""
    if not parametrize.is_parametrized(part, kind):
        return  # it has not come to that
    parametrize.remove_parametrizations(part, kind, leave_parametrized=False)
    for name in order:
        part._parameters[name] = part._parameters.pop(name)
