"""The optimizer's parameter groups: split where parameters decay differently, whole again when all is detached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import nn
from torch.optim import AdamW, Optimizer

from bridle.errors import InputError

OWN = ("params", "param_names", "weight_decay")  # what a group that was split off has for itself


class Decay(NamedTuple):
    """What a parameter's decay is now, and by what it may become another one: those that share both share a group."""

    now: float
    by: tuple[Any, ...] = ()


class Groups:
    """An optimizer's groups while a recipe is attached.

    Groups that were split off follow the one that they come from in all but their decay: a schedule of the learning
    rate that knows only the latter moves both.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.before = [dict(group) for group in optimizer.param_groups]
        self.parents: dict[int, int] = {}  # of the groups that were split off
        self.added: list[nn.Parameter] = []
        # A schedule made earlier counts the groups that there were.
        self.counted = any("initial_lr" in group for group in optimizer.param_groups)

    def indices(self) -> dict[nn.Parameter, int]:
        """The group that each of the optimizer's parameters is in."""
        return {each: index for index, group in enumerate(self.optimizer.param_groups) for each in group["params"]}

    def arrange(self, wanted: Mapping[nn.Parameter, Decay], new: Mapping[nn.Parameter, tuple[str, int]]) -> None:
        """Give parameters the decay that is wanted and take in new ones (name, group), which have none if none is said.

        Parameters that nothing is said about keep what they have. ``ValueError`` where groups would have to be split
        under a schedule that has counted them.
        """
        for index, before in enumerate(self.before):
            joining = {each: name for each, (name, group) in new.items() if group == index}
            names = before.get("param_names", [""] * len(before["params"]))
            own = Decay(before.get("weight_decay", 0.0))
            parts: dict[Decay, dict[nn.Parameter, str]] = {}
            for each, name in {**dict(zip(before["params"], names, strict=True)), **joining}.items():
                default = Decay(0.0) if each in joining else own
                parts.setdefault(wanted.get(each, default), {})[each] = name
            self.set_parts(index, parts)
        self.added = list(new)

    def set_parts(self, index: int, parts: Mapping[Decay, Mapping[nn.Parameter, str]]) -> None:
        """Let a group have the first part; each of the others becomes a group of its own."""
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
        """Let the groups that were split off have what those that they come from have now."""
        groups = self.optimizer.param_groups
        for child, parent in self.parents.items():
            groups[child].update({name: value for name, value in groups[parent].items() if name not in OWN})

    def restore(self) -> None:
        """Make the groups what they were, the optimizer's state kept; what a schedule has changed stays changed."""
        groups = self.optimizer.param_groups
        for index, before in enumerate(self.before):
            groups[index].update({name: before[name] for name in OWN if name in before})
        groups[:] = [group for index, group in enumerate(groups) if index not in self.parents]
        for each in self.added:
            self.optimizer.state.pop(each, None)


def held_by(optimizer: Optimizer) -> list[nn.Parameter]:
    """The parameters that an optimizer trains."""
    return [each for group in optimizer.param_groups for each in group["params"]]


def is_decoupled(optimizer: Optimizer) -> bool:
    """Whether the optimizer's own decay is the decoupled one: that of AdamW, not a part of the gradient."""
    return isinstance(optimizer, AdamW) or any(
        group.get("decoupled_weight_decay", False) for group in optimizer.param_groups
    )


def own_decays(optimizer: Optimizer, parameters: Sequence[nn.Parameter]) -> list[float]:
    """The decays other than 0 that the optimizer has for these parameters."""
    ours = set(parameters)
    found = {group.get("weight_decay", 0.0) for group in optimizer.param_groups if ours & {*group["params"]}}
    return sorted(found - {0.0})
