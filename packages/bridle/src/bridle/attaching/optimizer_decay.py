"""The weight decay of a recipe that the optimizer applies itself, in its parameter groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from bridle.attaching.parameter_buckets import knob_values
from bridle.attaching.parameter_groups import GroupDecay, ParameterGroups, is_decoupled
from bridle.attaching.trained_parameters import ModelParameter
from bridle.parameter_selection import Parameter, matching_parameters
from bridle.recipe import Recipe
from bridle.regularizers import WeightDecay

__all__ = ["group_decays", "optimizer_decays"]


def optimizer_decays(
    recipe: Recipe, groups: ParameterGroups, parameters: Sequence[ModelParameter]
) -> dict[Parameter, WeightDecay]:
    """Return the recipe's decay of each parameter if the optimizer's own means the same; else nothing."""
    decays = [unit for unit in recipe if isinstance(unit, WeightDecay)]
    chosen = [
        (unit, each) for unit in decays for each in matching_parameters(unit, [each.described for each in parameters])
    ]
    once = len({each for _, each in chosen}) == len(chosen)
    by_learning_rate = all(unit.per == "lr" for unit in decays)
    if not (once and by_learning_rate and is_decoupled(groups.optimizer) and not groups.counted):
        return {}
    return {each: unit for unit, each in chosen}


def group_decays(
    recipe: Recipe, in_optimizer: Mapping[Parameter, WeightDecay], parameters: Sequence[ModelParameter]
) -> dict[nn.Parameter, GroupDecay]:
    """Return the ``weight_decay`` of each parameter's group; nothing, if the recipe has no decay and it stays."""
    if not any(isinstance(unit, WeightDecay) for unit in recipe):
        return {}
    return {each.parameter: group_decay(in_optimizer.get(each.described), each.described) for each in parameters}


def group_decay(unit: WeightDecay | None, described: Parameter) -> GroupDecay:
    """Return the decay that the optimizer gives to a parameter for a regularizer, 0 without one."""
    if unit is None:
        return GroupDecay(0.0)
    return GroupDecay(unit.numbers(*described.names)["strength"], knob_values(unit, described))
