"""Running statistics, measured anew for weights that were never trained with any."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bridle.attaching.calling import call, first_tensor, on_device
from bridle.attaching.tape import resting
from bridle.modes import eval_mode
from bridle.places.module import LayerModule


@torch.no_grad()
def measure(model: nn.Module, batches: Iterable[Any], frozen: Collection[nn.Module] = ()) -> None:
    """Let running statistics be the mean of those of each batch, for the weights as they are; frozen ones stay."""
    norms = [part for part in norms_of(model) if part not in frozen]
    ours = [
        part for part in model.modules() if isinstance(part, LayerModule) and part.layer.state and part not in frozen
    ]
    totals: list[Tensor] = []
    count = 0
    with eval_mode(model), measuring(norms, ours), resting(model):
        for batch in batches:
            if pass_through(model, batch):
                found = [each.clone() for each in remembered(norms, ours)]
                totals = [total + each for total, each in zip(totals, found, strict=True)] if totals else found
                count += 1
    for own, total in zip(remembered(norms, ours), totals, strict=bool(totals)):
        own.copy_(total / count)


@contextmanager
def measuring(norms: Sequence[_BatchNorm], ours: Sequence[LayerModule]) -> Iterator[None]:
    """Within, what norms remember is the batch that they saw last."""
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.train()
            norm.momentum = 1.0
        for part in ours:
            part.measuring = True
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for part in ours:
            part.measuring = False


def norms_of(model: nn.Module) -> list[_BatchNorm]:
    """The model's own norms that have running statistics."""
    return [part for part in model.modules() if isinstance(part, _BatchNorm) and part.running_mean is not None]


def frozen_norms(model: nn.Module) -> set[nn.Module]:
    """The norms that rest in a model that trains: in evaluation mode, or with weights none of which is trained."""
    norms: list[nn.Module] = [
        *norms_of(model),
        *(part for part in model.modules() if isinstance(part, LayerModule) and part.layer.state),
    ]
    return {each for each in norms if not each.training or is_frozen(each)}


def is_frozen(norm: nn.Module) -> bool:
    """Whether a norm has weights, and none of them is trained; or keeps its statistics by what it is told."""
    weights = list(norm.parameters())
    told = getattr(norm, "track_running_stats", True) is False
    return told or (bool(weights) and not any(each.requires_grad for each in weights))


def remembered(norms: Sequence[nn.Module], ours: Sequence[LayerModule]) -> list[Tensor]:
    """The running statistics of the model's own norms and of those that the recipe has brought along."""
    return [getattr(norm, name) for norm in norms for name in ("running_mean", "running_var")] + [
        getattr(part, name) for part in ours for name in part.layer.state
    ]


def pass_through(model: nn.Module, batch: Any) -> bool:
    """Run a batch, or the first element of a tuple, through the model, but for one of a single row: it says nothing."""
    x = batch[0] if isinstance(batch, tuple | list) else batch
    rows = first_tensor(x)
    if rows is not None and len(rows) < 2:
        return False
    call(model, on_device(x, next(model.parameters()).device))
    return True
