"""Modules that torch.func cannot stack, or that are written in an unusual way."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 2)


class UsedTwice(Layers):
    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.relu(self.b(torch.relu(self.b(torch.relu(self.a(x)))))))


class KeepsActivations(Layers):
    def forward(self, x: Tensor) -> Tensor:
        self.h = torch.relu(self.a(x))
        return self.c(self.h)


class BranchesOnWeights(Layers):
    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.a(x))
        return self.c(h * 1.5 if h.sum() > 10 else h)


class BranchesOnRows(Layers):
    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.relu(self.a(x + 1 if x.mean() > 0 else x)))


class BranchesInEvaluation(Layers):
    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.a(x))
        return self.c(h * 1.5 if not self.training and h.sum() > 0 else h)


class TakesAnItem(Layers):
    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.relu(self.a(x)) * (1 + x.mean().item()))


class GoesThroughNumpy(Layers):
    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.relu(self.a(torch.from_numpy(np.abs(x.numpy())))))


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 2 * x * g


class FunctionOfItsOwn(Layers):
    def forward(self, x: Tensor) -> Tensor:
        return self.c(Square.apply(self.a(x)))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.c = nn.LSTM(2, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.lstm(x.view(-1, 3, 2))[0][:, -1])


class Lazy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm, self.c = nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.LazyLinear(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.relu(self.norm(self.a(x))))


class MovesABuffer(Layers):
    def __init__(self) -> None:
        super().__init__()
        self.mean: Tensor
        self.count: Tensor
        self.register_buffer("mean", torch.zeros(8))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        if self.training:
            self.mean.mul_(0.9).add_(h.detach().mean(0), alpha=0.1)
            self.count += 1
        return self.c(torch.relu(h - self.mean))


class ReplacesABuffer(MovesABuffer):
    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * h.detach().mean(0)
            self.count = self.count + 1
        return self.c(torch.relu(h - self.mean))


class Tied(Layers):
    def __init__(self) -> None:
        super().__init__()
        self.d = nn.Linear(8, 8)
        self.d.weight = self.b.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.relu(self.d(torch.relu(self.b(torch.relu(self.a(x)))))))


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.c = nn.Embedding(10, 4), nn.Linear(24, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.words((x.abs() * 2).clamp(0, 9).long()).flatten(1))


class Resting(nn.Module):
    """Its norm is made in evaluation mode, as a pretrained part that is to keep its statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm, self.c = nn.Linear(6, 8), nn.BatchNorm1d(8).eval(), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.relu(self.norm(self.a(x))))


class InPlace(Layers):
    def forward(self, x: Tensor) -> Tensor:
        x.mul_(2.0).sub_(1.0)
        return self.c(torch.relu_(self.a(x)))


class InPlaceByAWeight(Layers):
    def forward(self, x: Tensor) -> Tensor:
        x *= self.a.weight[0]
        return self.c(torch.relu_(self.a(x)))


def behind(norm: Callable[[nn.Module], nn.Module]) -> Callable[[], nn.Module]:
    """Return a factory of networks whose first layer goes through ``norm``."""
    return lambda: nn.Sequential(norm(nn.Linear(6, 8)), nn.ReLU(), nn.Linear(8, 2))


def old_weight_norm() -> nn.Module:
    """Return a network with torch's former weight norm."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # deprecated, and in many networks
        return behind(nn.utils.weight_norm)()


def compiled() -> nn.Module:
    """Return a compiled network."""
    return torch.compile(behind(lambda layer: layer)(), backend="eager")  # type: ignore[return-value]


def rectified_first() -> nn.Module:
    """Return a network that changes its input in place."""
    return nn.Sequential(nn.ReLU(inplace=True), nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Linear(8, 2))


STACKED = {
    "weight_norm": behind(parametrizations.weight_norm),
    "orthogonal": behind(parametrizations.orthogonal),
    "compiled": compiled,
    "rectified_first": rectified_first,
} | {each.__name__: each for each in (UsedTwice, Lazy, MovesABuffer, ReplacesABuffer, Tied, Words, Resting, InPlace)}

ONE_BY_ONE = {
    "spectral_norm": behind(parametrizations.spectral_norm),
    "old_weight_norm": old_weight_norm,
    "old_spectral_norm": behind(nn.utils.spectral_norm),
} | {
    each.__name__: each
    for each in (
        KeepsActivations,
        BranchesOnWeights,
        BranchesOnRows,
        BranchesInEvaluation,
        TakesAnItem,
        GoesThroughNumpy,
        FunctionOfItsOwn,
        Recurrent,
        InPlaceByAWeight,
    )
}

ALL = STACKED | ONE_BY_ONE
