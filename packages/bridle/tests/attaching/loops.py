"""A small model, its data, and the loop of every tutorial."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bridle.attaching import Handle, attach

ROWS, INPUTS, CLASSES = 48, 6, 3
CRITERION = nn.CrossEntropyLoss()


def data(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Return normal inputs (rows, inputs) and class ids."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(ROWS, INPUTS, generator=random, dtype=torch.float64).to(dtype)
    return x, torch.randint(0, CLASSES, (ROWS,), generator=random)


def perceptron(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(INPUTS, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, CLASSES))


def adam(model: nn.Module, **keywords: Any) -> torch.optim.Adam:
    return torch.optim.Adam(model.parameters(), lr=0.01, **keywords)


def attached(recipe: Any, **keywords: Any) -> Handle:
    """Attach a recipe to a fresh model under Adam."""
    model = perceptron()
    return attach(model, adam(model), recipe, loss=CRITERION, steps=100, **keywords)


def weights(model: nn.Module) -> Tensor:
    """Return all parameters in a row, as a copy."""
    return torch.cat([each.detach().flatten() for each in model.parameters()]).clone()


def weight_of(model: nn.Module, name: str) -> Tensor:
    """Return the weight that the layer of this name computes with, be it a parameter or made of others."""
    weight = model.get_submodule(name).weight
    assert isinstance(weight, Tensor)
    return weight


def compiled(model: nn.Module, backend: str = "eager", *, fullgraph: bool = False) -> nn.Module:
    """Return the model as torch compiles it."""
    module = torch.compile(model, backend=backend, fullgraph=fullgraph)
    assert isinstance(module, nn.Module)  # torch declares a function
    return module


def outputs(model: nn.Module, x: Tensor) -> Tensor:
    """Return the outputs in evaluation mode."""
    training = model.training
    with torch.no_grad():
        out: Tensor = model.eval()(x)
    model.train(training)
    return out


def train(handle: Handle, steps: int, first: int = 0) -> list[float]:
    """Train by steps on a third of the rows each and return the losses."""
    x, y = data(next(handle.model.parameters()).dtype)
    size = ROWS // 3
    losses = []
    for step in range(first, first + steps):
        rows = slice(step % 3 * size, (step % 3 + 1) * size)
        losses.append(handle.step(x[rows], y[rows]).item())
    return losses
