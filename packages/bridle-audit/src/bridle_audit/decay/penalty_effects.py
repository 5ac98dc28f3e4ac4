"""The effect of a penalty in the loss on each parameter: the part of its gradient in proportion to the weight."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bridle_audit.errors import InputError

__all__ = ["Penalty", "PenaltyEffect", "measure_penalty_effects", "zeros_replaced"]

Penalty = Callable[[nn.Module], Tensor | float]  # of a model, to be added to the loss
SEED = 0
STAND_IN_SIZE = 0.01  # what stands in for weights that are all zero, as biases are at the start


@dataclass(frozen=True)
class PenaltyEffect:
    """The gradient of a penalty for one parameter, as ``coefficient`` times the weight and a rest."""

    coefficient: float  # torch's weight_decay with the same gradient
    rest: float  # the share of the gradient that is not along the weight: 0 for a squared norm, more for L1


def measure_penalty_effects(penalty: Penalty, model: nn.Module) -> dict[str, PenaltyEffect]:
    """Measure the effect of ``penalty(model)`` on each parameter on which it acts, by the parameter's first name.

    Nothing in the model changes, nor its gradients. Parameters that are all zero hold small numbers while the penalty
    is computed, or its effect on them could not be seen.
    """
    held = {name: each for name, each in model.named_parameters() if each.requires_grad}
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), buffers_restored(model), zeros_replaced(held):
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
        return {
            name: decompose_gradient(held[name], each) for name, each in found if each is not None and bool(each.any())
        }


def decompose_gradient(weight: Tensor, gradient: Tensor) -> PenaltyEffect:
    """Split a gradient into its part along the weight and the rest."""
    w, g = weight.detach().double().flatten(), gradient.detach().double().flatten()
    coefficient = (g @ w / (w @ w)).item()
    return PenaltyEffect(coefficient, ((g - coefficient * w).norm() / g.norm()).item())


@contextmanager
def buffers_restored(model: nn.Module) -> Iterator[None]:
    """Restore a model's buffers after the block: a penalty may run the model."""
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
def zeros_replaced(parameters: Mapping[str, nn.Parameter]) -> Iterator[None]:
    """Fill parameters that are all zero with small random numbers for the block."""
    empty = [each for each in parameters.values() if not bool(each.detach().any())]
    before = [each.data for each in empty]
    source = torch.Generator().manual_seed(SEED)
    for each in empty:
        each.data = (STAND_IN_SIZE * torch.randn(each.shape, generator=source)).to(each)
    try:
        yield
    finally:
        for each, data in zip(empty, before, strict=True):
            each.data = data
