"""What a loop does to weights: those that are frozen, and those whose scale nothing holds."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bridle_audit.watching.record import FrozenSeen, WeightSeen

MEASURED = 3  # times that gradients are compared with the weights


def names_in(model: nn.Module, optimizer: Optimizer) -> dict[int, str]:
    """What the parameters of an optimizer are called, by id; a stranger to the model goes by its place."""
    names = {
        id(each): f"group {number}, parameter {place}"
        for number, group in enumerate(optimizer.param_groups)
        for place, each in enumerate(group["params"])
    }
    return {**names, **{id(each): name for name, each in model.named_parameters()}}


class FrozenOne:
    """A parameter that was found frozen in the hands of an optimizer."""

    def __init__(self, held: Tensor) -> None:
        self.held = held
        self.value: Tensor | None = None  # as it was when it was first seen that it may move
        self.first = self.version = held._version
        self.looked = self.moved = 0

    def before_step(self) -> None:
        """A step that is looked at begins."""
        self.version = self.held._version
        if self.value is None and (self.held.grad is not None or self.moved):
            self.value, self.first = self.held.detach().clone(), self.version

    def behind_step(self) -> None:
        """It has been taken."""
        self.looked += self.value is not None
        self.moved += self.held._version != self.version

    def seen(self, name: str) -> FrozenSeen | None:
        """What steps have done to it; None where it rests, is trained again, or was written to between the steps.

        Fused optimizers, and those that write through ``.data``, leave no trace in torch's versions: if there is none
        at all, the values speak.
        """
        untraced = self.held._version == self.first
        if self.value is None or not self.looked or self.held.requires_grad or not (self.moved or untraced):
            return None
        change = float((self.held.detach() - self.value.to(self.held.device)).double().norm())
        return FrozenSeen(name, self.looked, change, float(self.value.double().norm())) if change > 0 else None


class Frozen:
    """Watches the parameters with ``requires_grad=False`` that an optimizer still holds.

    torch's optimizers pass over a parameter whose ``grad`` is None: only one with a gradient left from earlier can
    move, so copies are made of these alone, and of those that another optimizer is seen to move.
    """

    def __init__(self, names: dict[int, str]) -> None:
        self.names = names
        self.ones: dict[int, FrozenOne] = {}

    def before_step(self, optimizer: Optimizer) -> None:
        """Before a step that is looked at."""
        for group in optimizer.param_groups:
            for each in group["params"]:
                if not each.requires_grad and not each.is_inference():
                    self.ones.setdefault(id(each), FrozenOne(each)).before_step()

    def behind_step(self) -> None:
        """Behind it."""
        for each in self.ones.values():
            each.behind_step()

    def forget(self) -> None:
        """Let go of the copies."""
        self.ones.clear()

    @property
    def seen(self) -> tuple[FrozenSeen, ...]:
        """Those that have moved."""
        every = (each.seen(self.names.get(key, "a parameter added later")) for key, each in self.ones.items())
        return tuple(each for each in every if each is not None)


class Weights:
    """Watches the matrices that are trained without weight decay: their norms, and the gradient along them.

    A weight in front of a norm has no gradient along itself, as its scale changes nothing: <w, g> = 0 (van Laarhoven,
    2017, section 2). So it is found by its gradient, whatever the model looks like.
    """

    def __init__(self, names: dict[int, str], optimizer: Optimizer) -> None:
        held = [
            each
            for group in optimizer.param_groups
            if not group.get("weight_decay")
            for each in group["params"]
            if each.ndim > 1 and each.requires_grad and each.is_floating_point() and not each.is_inference()
        ]
        self.held = [each for each in held if type(each) in (Tensor, nn.Parameter)]  # whole on this device
        self.names = [names[id(each)] for each in self.held]
        self.start = self.norms()
        self.measured = 0
        self.along: list[list[Tensor]] = [[] for _ in self.held]
        self.lowest, self.highest = math.inf, -math.inf  # learning rates

    @torch.no_grad()
    def norms(self) -> list[Tensor]:
        """Of all, where they are: nothing waits for an accelerator."""
        return [each.detach().float().norm() for each in self.held]

    def before_step(self, optimizer: Optimizer, step: int) -> None:
        """Before a step that is looked at."""
        self.note_rates(optimizer)
        if step > 1 and self.measured < MEASURED:
            self.measured += 1
            self.measure()

    def note_rates(self, optimizer: Optimizer) -> None:
        """Take in the learning rates as they are now."""
        rates = [float(group.get("lr", 0.0)) for group in optimizer.param_groups]
        self.lowest, self.highest = min(self.lowest, *rates), max(self.highest, *rates)

    @torch.no_grad()
    def measure(self) -> None:
        """Compare the gradients with the weights."""
        for each, found in zip(self.held, self.along, strict=True):
            if each.grad is not None and each.grad.layout == torch.strided:
                w, g = each.detach().float().flatten(), each.grad.float().flatten()
                found.append(w.dot(g).abs() / (w.norm() * g.norm()))

    @property
    def seen(self) -> tuple[WeightSeen, ...]:
        """Those that were measured at least twice; one without a gradient is not known."""
        ends = self.norms()
        found = []
        for name, start, end, along in zip(self.names, self.start, ends, self.along, strict=True):
            largest = max((float(each) for each in along), default=math.nan)
            if len(along) > 1 and math.isfinite(largest):
                found.append(WeightSeen(name, float(start), float(end), largest))
        return tuple(found)

    @property
    def rates(self) -> tuple[float, float]:
        """The lowest and the highest learning rate."""
        return (self.lowest, self.highest) if math.isfinite(self.lowest) else (0.0, 0.0)
