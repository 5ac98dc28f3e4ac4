"""The parameter groups of an optimizer as plain data: parameters by name, options, and their measured decay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from bridle_audit.decay.measurement import Decay, DecayMeter, is_default_decay

__all__ = ["ParameterGroup", "groups_of"]


@dataclass(frozen=True)
class ParameterGroup:
    """A group of an optimizer's ``param_groups``."""

    index: int
    names: tuple[str, ...]  # of the model's parameters, as often as the group holds them
    foreign_shapes: tuple[tuple[int, ...], ...]  # the shapes of parameters that are not the model's
    options: Mapping[str, Any]  # as the optimizer keeps them, without the parameters
    decay: Decay  # measured
    by_default: bool  # whether its decay is the nonzero one of the optimizer's class

    @property
    def lr(self) -> float:
        """The present learning rate; 0 if the optimizer has none."""
        return as_float(self.options.get("lr", 0.0))

    @property
    def weight_decay(self) -> float:
        """The ``weight_decay`` option; 0 if the optimizer has none."""
        return as_float(self.options.get("weight_decay", 0.0) or 0.0)

    def __str__(self) -> str:
        return f"parameter group {self.index}"


def groups_of(optimizer: Optimizer, model: nn.Module) -> tuple[ParameterGroup, ...]:
    """Return the groups of an optimizer; a parameter goes by its first name in the model."""
    known = {id(each): name for name, each in model.named_parameters()}
    meter = DecayMeter(optimizer)
    return tuple(
        ParameterGroup(
            index,
            tuple(known[id(each)] for each in group["params"] if id(each) in known),
            tuple(tuple(each.shape) for each in group["params"] if id(each) not in known),
            {name: value for name, value in group.items() if name != "params"},
            meter.measure(group),
            is_default_decay(optimizer, group),
        )
        for index, group in enumerate(optimizer.param_groups)
    )


def as_float(value: float | Tensor) -> float:
    """Return an option as a number; torch's capturable optimizers hold tensors."""
    return float(value)
