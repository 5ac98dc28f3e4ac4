"""What a penalty in the loss does to each parameter: how much of its gradient is in proportion to the weight."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bridle_audit.errors import InputError

SEED = 0
SMALL = 0.01  # what stands in for weights that are all zero, as biases are at the start


@dataclass(frozen=True)
class Pull:
    """The gradient of a penalty for one parameter, as ``coefficient`` times the weight and a rest."""

    coefficient: float  # torch's weight_decay with the same gradient
    rest: float  # the share of the gradient that is not along the weight: 0 for a squared norm, more for L1


def pulls_of(penalty: Callable[[nn.Module], Any], model: nn.Module) -> dict[str, Pull]:
    """What ``penalty(model)`` does to each parameter on which it acts, by the parameter's first name.

    Nothing in the model changes, nor its gradients. Parameters that are all zero hold small numbers while the penalty
    is computed, or nobody would see that it acts on them.
    """
    held = {name: each for name, each in model.named_parameters() if each.requires_grad}
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), kept(model), filled(held):
        value = penalty(model)
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise InputError(
                f"penalty(model) must give one number as a tensor, such as 1e-4 * model.fc.weight.square().sum(); got "
                f"{type(value).__name__}{list(value.shape) if isinstance(value, Tensor) else ''}"
            )
        if not value.requires_grad or not held:
            return {}  # detached, or of frozen parameters: it moves nothing
        gradients = torch.autograd.grad(value.sum(), list(held.values()), allow_unused=True)
        found = zip(held, gradients, strict=True)
        return {name: pull_of(held[name], each) for name, each in found if each is not None and bool(each.any())}


def pull_of(weight: Tensor, gradient: Tensor) -> Pull:
    """The gradient's part along the weight, and the rest."""
    w, g = weight.detach().double().flatten(), gradient.detach().double().flatten()
    coefficient = (g @ w / (w @ w)).item()
    return Pull(coefficient, ((g - coefficient * w).norm() / g.norm()).item())


@contextmanager
def kept(model: nn.Module) -> Iterator[None]:
    """The buffers afterwards as they were before: a penalty may run the model."""
    before = [
        (module, name, buffer, buffer.clone())
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    try:
        yield
    finally:
        with torch.no_grad():
            for module, name, buffer, values in before:
                buffer.copy_(values)
                setattr(module, name, buffer)


@contextmanager
def filled(parameters: Mapping[str, nn.Parameter]) -> Iterator[None]:
    """Small numbers where a parameter is all zero, and the zeros again."""
    empty = [each for each in parameters.values() if not bool(each.detach().any())]
    before = [each.data for each in empty]
    source = torch.Generator().manual_seed(SEED)
    for each in empty:
        each.data = (SMALL * torch.randn(each.shape, generator=source)).to(each)
    try:
        yield
    finally:
        for each, data in zip(empty, before, strict=True):
            each.data = data
