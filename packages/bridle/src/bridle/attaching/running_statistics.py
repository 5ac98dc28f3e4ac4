"""Running statistics, re-estimated for averaged weights."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bridle.attaching.model_inputs import call_model, first_tensor, to_device
from bridle.attaching.pass_recorder import frozen_buffers
from bridle.eval_mode import eval_mode
from bridle.places.module import LayerModule

__all__ = ["frozen_norms", "measure_statistics"]


@torch.no_grad()
def measure_statistics(model: nn.Module, batches: Iterable[object], frozen: Collection[nn.Module] = ()) -> None:
    """Set running statistics to the mean over batches, for the current weights; frozen norms keep theirs."""
    norms = [part for part in batch_norms(model) if part not in frozen]
    recipe_norms = [
        part for part in model.modules() if isinstance(part, LayerModule) and part.layer.state and part not in frozen
    ]
    totals: list[Tensor] = []
    count = 0
    with eval_mode(model), measuring(norms, recipe_norms), frozen_buffers(model):
        for batch in batches:
            if forward_batch(model, batch):
                new = [each.clone() for each in running_statistics(norms, recipe_norms)]
                totals = [total + each for total, each in zip(totals, new, strict=True)] if totals else new
                count += 1
    for statistic, total in zip(running_statistics(norms, recipe_norms), totals, strict=bool(totals)):
        statistic.copy_(total / count)


@contextmanager
def measuring(norms: Sequence[_BatchNorm], recipe_norms: Sequence[LayerModule]) -> Iterator[None]:
    """Let norms store the statistics of the last batch within the context."""
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.train()
            norm.momentum = 1.0
        for part in recipe_norms:
            part.measuring = True
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for part in recipe_norms:
            part.measuring = False


def batch_norms(model: nn.Module) -> list[_BatchNorm]:
    """Return the model's own norms with running statistics."""
    return [part for part in model.modules() if isinstance(part, _BatchNorm) and part.running_mean is not None]


def frozen_norms(model: nn.Module) -> set[nn.Module]:
    """Return the norms that are frozen in a training model: in evaluation mode, or without trained weights."""
    norms: list[nn.Module] = [
        *batch_norms(model),
        *(part for part in model.modules() if isinstance(part, LayerModule) and part.layer.state),
    ]
    return {each for each in norms if not each.training or is_frozen(each)}


def is_frozen(norm: nn.Module) -> bool:
    """Return True if a norm has weights and none is trained, or does not track statistics."""
    weights = list(norm.parameters())
    untracked = getattr(norm, "track_running_stats", True) is False
    return untracked or (bool(weights) and not any(each.requires_grad for each in weights))


def running_statistics(norms: Sequence[nn.Module], recipe_norms: Sequence[LayerModule]) -> list[Tensor]:
    """Return the running statistics of the model's own norms and of the recipe's."""
    return [getattr(norm, name) for norm in norms for name in ("running_mean", "running_var")] + [
        getattr(part, name) for part in recipe_norms for name in part.layer.state._fields
    ]


def forward_batch(model: nn.Module, batch: object) -> bool:
    """Run a batch, or a tuple's first element, through the model; return False, and skip it, if it is a single row."""
    x = batch[0] if isinstance(batch, tuple | list) else batch
    rows = first_tensor(x)
    if rows is not None and len(rows) < 2:
        return False
    call_model(model, to_device(x, next(model.parameters()).device))
    return True
