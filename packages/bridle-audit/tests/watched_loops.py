"""Loops to be watched, and the model and the data that they train on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from bridle_audit import watch

X, Y = torch.randn(64, 8, generator=torch.Generator().manual_seed(0)), torch.arange(64) % 3


def with_norm_and_dropout() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))


def sgd(model: nn.Module, **options: Any) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), **{"lr": 0.05, **options})


def loss_of(model: nn.Module, x: Tensor = X, y: Tensor = Y) -> Tensor:
    return F.cross_entropy(model(x), y)


def train(model: nn.Module, optimizer: Optimizer, steps: int = 8, rows: int = 16) -> None:
    for step in range(steps):
        batch = torch.arange(step * rows, (step + 1) * rows) % len(X)
        optimizer.zero_grad()
        loss_of(model, X[batch], Y[batch]).backward()
        optimizer.step()


def validate(model: nn.Module, rows: int = 16) -> list[float]:
    with torch.no_grad():
        return [loss_of(model, x, y).item() for x, y in zip(X.split(rows), Y.split(rows), strict=True)]


def found(loop: Callable[[nn.Module, Optimizer], Any], model: nn.Module | None = None) -> list[str]:
    model = model or with_norm_and_dropout()
    optimizer = sgd(model)
    with watch(model, optimizer) as watcher:
        loop(model, optimizer)
    return watcher.findings.rules


def a_proper_loop(model: nn.Module, optimizer: Optimizer) -> None:
    for _ in range(3):
        model.train()
        train(model, optimizer)
        model.eval()
        validate(model)
