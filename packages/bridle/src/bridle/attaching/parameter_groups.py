"""The optimizer's parameter groups: split by weight decay, and restored when the recipe is detached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import nn
from torch.optim import AdamW, Optimizer

from bridle.errors import InputError

__all__ = ["GroupDecay", "ParameterGroups", "is_decoupled", "optimized_parameters", "own_decays"]

OWN = ("params", "param_names", "weight_decay")  # what a group that was split off has for itself


class GroupDecay(NamedTuple):
    """A parameter's decay now, and the schedules that change it: parameters that share both share a group."""

    now: float
    by: tuple[Any, ...] = ()


class ParameterGroups:
    """An optimizer's parameter groups while a recipe is attached.

    Groups that were split off follow the original group in all options but decay, so that a learning-rate schedule that
    knows only the original moves both.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.before = [dict(group) for group in optimizer.param_groups]
        self.parents: dict[int, int] = {}  # of the groups that were split off
        self.added: list[nn.Parameter] = []
        # A schedule made earlier counts the groups that there were.
        self.counted = any("initial_lr" in group for group in optimizer.param_groups)

    def indices(self) -> dict[nn.Parameter, int]:
        """Return the index of each parameter's group."""
        return {each: index for index, group in enumerate(self.optimizer.param_groups) for each in group["params"]}

    def arrange(self, wanted: Mapping[nn.Parameter, GroupDecay], new: Mapping[nn.Parameter, tuple[str, int]]) -> None:
        """Regroup parameters by the wanted decay; new ones, as (name, group), have none unless it is wanted.

        Other parameters keep their decay. ``ValueError`` if groups would have to be split under a schedule that has
        counted them.
        """
        for index, before in enumerate(self.before):
            joining = {each: name for each, (name, group) in new.items() if group == index}
            names = before.get("param_names", [""] * len(before["params"]))
            own = GroupDecay(before.get("weight_decay", 0.0))
            parts: dict[GroupDecay, dict[nn.Parameter, str]] = {}
            for each, name in {**dict(zip(before["params"], names, strict=True)), **joining}.items():
                default = GroupDecay(0.0) if each in joining else own
                parts.setdefault(wanted.get(each, default), {})[each] = name
            self.set_parts(index, parts)
        self.added = list(new)

    def set_parts(self, index: int, parts: Mapping[GroupDecay, Mapping[nn.Parameter, str]]) -> None:
        """Split a group: it keeps the first part, and each of the others becomes a new group."""
        if len(parts) > 1 and self.counted:
            raise InputError(
                "the recipe needs parameter groups of its own, and a learning-rate schedule has already counted the "
                "optimizer's; make the schedule after attach"
            )
        group = self.optimizer.param_groups[index]
        shared = {name: value for name, value in group.items() if name not in OWN}
        for number, ((decay, _), members) in enumerate(parts.items()):
            if number == 0:
                group["params"] = list(members)
                if "param_names" in group:
                    group["param_names"] = list(members.values())
                if "weight_decay" in group:
                    group["weight_decay"] = decay
                continue
            listed = [(name, each) for each, name in members.items()] if "param_names" in group else list(members)
            self.optimizer.add_param_group({**shared, "params": listed, "weight_decay": decay})
            self.parents[len(self.optimizer.param_groups) - 1] = index

    def follow(self) -> None:
        """Copy the options of the original groups to those split off."""
        groups = self.optimizer.param_groups
        for child, parent in self.parents.items():
            groups[child].update({name: value for name, value in groups[parent].items() if name not in OWN})

    def restore(self) -> None:
        """Merge the groups again, with the optimizer's state and the learning rates of a schedule as they are."""
        groups = self.optimizer.param_groups
        for index, before in enumerate(self.before):
            groups[index].update({name: before[name] for name in OWN if name in before})
        groups[:] = [group for index, group in enumerate(groups) if index not in self.parents]
        for each in self.added:
            self.optimizer.state.pop(each, None)


def optimized_parameters(optimizer: Optimizer) -> list[nn.Parameter]:
    """Return the parameters that an optimizer trains."""
    return [each for group in optimizer.param_groups for each in group["params"]]


def is_decoupled(optimizer: Optimizer) -> bool:
    """Return True if the optimizer's own decay is decoupled, as AdamW's, and not part of the gradient."""
    return isinstance(optimizer, AdamW) or any(
        group.get("decoupled_weight_decay", False) for group in optimizer.param_groups
    )


def own_decays(optimizer: Optimizer, parameters: Sequence[nn.Parameter]) -> list[float]:
    """Return the nonzero decays that the optimizer has for these parameters."""
    ours = set(parameters)
    found = {group.get("weight_decay", 0.0) for group in optimizer.param_groups if ours & {*group["params"]}}
    return sorted(found - {0.0})
