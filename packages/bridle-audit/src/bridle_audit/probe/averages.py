"""An averaged model (SWA, EMA) beside the current one: how it averages, and whose statistics its batch norms hold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

BatchNorm = nn.modules.batchnorm._NormBase
POINTS = 1000  # at which the share is asked for, where it changes from update to update
SAME = 1e-3  # relative: two shares that differ by less are one


@dataclass(frozen=True, eq=False)
class Average:
    """An averaged model and the model whose weights go into it."""

    averaged: nn.Module
    model: nn.Module

    @cached_property
    def network(self) -> nn.Module | None:
        """The averaged network itself, within whatever holds it; None where nothing in there has the model's form."""
        form = shapes(self.model)
        return next((each for each in self.averaged.modules() if shapes(each) == form), None)

    @cached_property
    def distance(self) -> float:
        """How far the averaged weights are from the current ones, relative to these; 0 where they are the same."""
        if self.network is None:
            return 0.0
        pairs = list(zip(self.network.parameters(), self.model.parameters(), strict=True))
        apart = sum(float((a.detach().double() - w.detach().double()).square().sum()) for a, w in pairs)
        length = sum(float(w.detach().double().square().sum()) for _, w in pairs)
        return math.sqrt(apart / length) if length > 0 else 0.0

    def share(self, updates: int) -> float | None:
        """What the newest weights get when so many updates have been made; None where that cannot be known.

        It is 1 / (updates + 1) for a plain mean and 1 - decay for an exponential average. Torch's is measured; of
        others the decay that they state is taken.
        """
        if isinstance(self.averaged, AveragedModel):
            return measured_share(self.averaged, updates)
        asked = getattr(self.averaged, "get_decay", None)
        stated = asked(updates) if callable(asked) else getattr(self.averaged, "decay", None)
        return 1 - float(stated) if isinstance(stated, int | float) and 0 <= stated <= 1 else None

    @cached_property
    def is_mean(self) -> bool:
        """Whether it is a plain mean of all that went in."""
        return all(alike(self.share(updates), 1 / (updates + 1)) for updates in (9, 99, 999))

    def left_of_first(self, updates: int) -> float | None:
        """How much of the average is still the first weights that went in, behind so many updates."""
        first, last = self.share(1), self.share(updates)
        if first is None or last is None or updates < 2:
            return None
        if alike(first, last):
            return float((1 - first) ** (updates - 1))
        between = [1 + round(at * (updates - 1) / POINTS) for at in range(POINTS)]
        kept = [1 - (self.share(each) or 0.0) for each in between]
        if min(kept) <= 0:
            return 0.0
        return math.exp(sum(map(math.log, kept)) * (updates - 1) / POINTS)

    @cached_property
    def batch_norms(self) -> dict[str, tuple[BatchNorm, BatchNorm]]:
        """The averaged and the current one of each batch norm whose statistics have been trained, by name."""
        if self.network is None:
            return {}
        held = dict(self.network.named_modules())
        return {
            name: (held[name], each)
            for name, each in self.model.named_modules()
            if isinstance(each, BatchNorm) and isinstance(held[name], BatchNorm) and is_trained(each)
        }

    @cached_property
    def borrowed(self) -> tuple[str, ...]:
        """The batch norms whose averaged form holds the very statistics of the current one, bit for bit."""
        pairs = self.batch_norms.items()
        return tuple(name for name, (one, other) in pairs if equal(one.running_mean, other.running_mean))

    @cached_property
    def untouched(self) -> tuple[str, ...]:
        """The batch norms whose averaged form still has the statistics of a new layer: mean 0, variance 1."""
        held = {name: one for name, (one, _) in self.batch_norms.items()}
        return tuple(name for name, one in held.items() if is_new(one))


def shapes(module: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    """The form of a module: its parameters' names and shapes."""
    return [(name, tuple(each.shape)) for name, each in module.named_parameters()]


def measured_share(averaged: AveragedModel, updates: int) -> float:
    """What 1 adds to an average of 0 in torch's class, by the function that it was given."""
    old, new = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    if averaged.multi_avg_fn is not None:
        averaged.multi_avg_fn([old], [new], torch.tensor(updates))
        return float(old)
    if averaged.avg_fn is not None:
        return float(averaged.avg_fn(old, new, torch.tensor(updates)))
    return 1 / (updates + 1)


def is_trained(norm: BatchNorm) -> bool:
    """Whether a batch norm has statistics that training has moved, and is not frozen."""
    if norm.running_mean is None or is_new(norm):
        return False
    held = list(norm.parameters(recurse=False))
    return not held or any(each.requires_grad for each in held)


def is_new(norm: BatchNorm) -> bool:
    """Whether the statistics are those of a layer that has never been trained."""
    if norm.running_mean is None or norm.running_var is None:
        return False
    return bool((norm.running_mean == 0).all()) and bool((norm.running_var == 1).all())


def equal(left: Tensor | None, right: Tensor | None) -> bool:
    """Whether both are there and the same, bit for bit."""
    return left is not None and right is not None and torch.equal(left, right.to(left.device))


def alike(left: float | None, right: float | None) -> bool:
    """Whether two shares are the same but for rounding."""
    return left is not None and right is not None and abs(left - right) <= SAME * max(left, right)
