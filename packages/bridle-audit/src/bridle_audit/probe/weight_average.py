"""An averaged model (SWA, EMA) beside the current one: its weighting, and the statistics in its batch norms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

__all__ = ["WeightAverage"]

BatchNorm = nn.modules.batchnorm._NormBase
SAMPLED_UPDATES = 1000  # at which the share is computed, where it changes from update to update
TOLERANCE = 1e-3  # relative


@dataclass(frozen=True, eq=False)
class WeightAverage:
    """An averaged model and the model whose weights go into it."""

    averaged: nn.Module
    model: nn.Module

    @cached_property
    def network(self) -> nn.Module | None:
        """The averaged network itself, within its wrapper; None if no module in there has the model's parameters."""
        form = parameter_shapes(self.model)
        return next((each for each in self.averaged.modules() if parameter_shapes(each) == form), None)

    @cached_property
    def distance(self) -> float:
        """The distance of the averaged weights from the current ones, relative to the norm of these."""
        if self.network is None:
            return 0.0
        pairs = list(zip(self.network.parameters(), self.model.parameters(), strict=True))
        apart = sum(float((a.detach().double() - w.detach().double()).square().sum()) for a, w in pairs)
        length = sum(float(w.detach().double().square().sum()) for _, w in pairs)
        return math.sqrt(apart / length) if length > 0 else 0.0

    def newest_share(self, updates: int) -> float | None:
        """Return the share of the newest weights in the average after a number of updates; None if it is not known.

        It is 1 / (updates + 1) for a plain mean and 1 - decay for an exponential average. Torch's is measured; of
        others the decay that they state is taken.
        """
        if isinstance(self.averaged, AveragedModel):
            return measure_newest_share(self.averaged, updates)
        get_decay = getattr(self.averaged, "get_decay", None)  # timm's, and others' made in its image
        stated = get_decay(updates) if callable(get_decay) else getattr(self.averaged, "decay", None)
        return 1 - float(stated) if isinstance(stated, int | float) and 0 <= stated <= 1 else None

    @cached_property
    def is_plain_mean(self) -> bool:
        """True if the average is a plain mean of all weights that went in."""
        return all(nearly_equal(self.newest_share(updates), 1 / (updates + 1)) for updates in (9, 99, 999))

    def first_share(self, updates: int) -> float | None:
        """Return the share of the first weights in the average after a number of updates; None if it is not known."""
        first, last = self.newest_share(1), self.newest_share(updates)
        if first is None or last is None or updates < 2:
            return None
        if nearly_equal(first, last):
            return float((1 - first) ** (updates - 1))
        between = [1 + round(at * (updates - 1) / SAMPLED_UPDATES) for at in range(SAMPLED_UPDATES)]
        kept = [1 - (self.newest_share(each) or 0.0) for each in between]
        if min(kept) <= 0:
            return 0.0
        return math.exp(sum(map(math.log, kept)) * (updates - 1) / SAMPLED_UPDATES)

    @cached_property
    def batch_norms(self) -> dict[str, tuple[BatchNorm, BatchNorm]]:
        """The averaged and the current form of each batch norm whose statistics have been trained, by name."""
        if self.network is None:
            return {}
        held = dict(self.network.named_modules())
        return {
            name: (held[name], each)
            for name, each in self.model.named_modules()
            if isinstance(each, BatchNorm) and isinstance(held[name], BatchNorm) and has_trained_statistics(each)
        }

    @cached_property
    def norms_with_current_statistics(self) -> tuple[str, ...]:
        """The batch norms whose averaged form holds the very statistics of the current one, bit for bit."""
        pairs = self.batch_norms.items()
        return tuple(name for name, (one, other) in pairs if same_statistics(one.running_mean, other.running_mean))

    @cached_property
    def norms_with_initial_statistics(self) -> tuple[str, ...]:
        """The batch norms whose averaged form still has the statistics of a new layer: mean 0, variance 1."""
        held = {name: one for name, (one, _) in self.batch_norms.items()}
        return tuple(name for name, one in held.items() if has_initial_statistics(one))


def parameter_shapes(module: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    """Return the names and shapes of a module's parameters."""
    return [(name, tuple(each.shape)) for name, each in module.named_parameters()]


def measure_newest_share(averaged: AveragedModel, updates: int) -> float:
    """Measure the share of the newest weights in torch's class: what a 1 adds to an average of 0."""
    old, new = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    if averaged.multi_avg_fn is not None:
        averaged.multi_avg_fn([old], [new], torch.tensor(updates))
        return float(old)
    if averaged.avg_fn is not None:
        return float(averaged.avg_fn(old, new, torch.tensor(updates)))
    return 1 / (updates + 1)


def has_trained_statistics(norm: BatchNorm) -> bool:
    """Return True if a batch norm has statistics that training has moved, and is not frozen."""
    if norm.running_mean is None or has_initial_statistics(norm):
        return False
    held = list(norm.parameters(recurse=False))
    return not held or any(each.requires_grad for each in held)


def has_initial_statistics(norm: BatchNorm) -> bool:
    """Return True if the statistics of a batch norm are those of a new layer: mean 0, variance 1."""
    if norm.running_mean is None or norm.running_var is None:
        return False
    return bool((norm.running_mean == 0).all()) and bool((norm.running_var == 1).all())


def same_statistics(left: Tensor | None, right: Tensor | None) -> bool:
    """Return True if both statistics are there and equal, bit for bit."""
    return left is not None and right is not None and torch.equal(left, right.to(left.device))


def nearly_equal(left: float | None, right: float | None) -> bool:
    """Return True if both shares are known and equal but for rounding."""
    return left is not None and right is not None and abs(left - right) <= TOLERANCE * max(left, right)
