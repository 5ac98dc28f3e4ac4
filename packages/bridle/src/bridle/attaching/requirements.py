"""Requirements of a recipe on model, optimizer and number of steps."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.optim import LBFGS, Optimizer

from bridle.attaching.compiled import check_scripted
from bridle.errors import InputError
from bridle.places import Average
from bridle.recipe import Recipe, Regularizer

__all__ = ["check_steps", "check_supported", "check_types", "needs_steps"]


def check_types(model: object, optimizer: object) -> None:
    """Raise ``ValueError`` if model or optimizer are of another type."""
    if not isinstance(model, nn.Module):
        raise InputError(f"attach takes an nn.Module, got {type(model).__name__}")
    if not isinstance(optimizer, Optimizer):
        raise InputError(
            f"attach takes an optimizer of torch.optim, or derived from one, got {type(optimizer).__name__}"
        )


def check_supported(model: nn.Module, optimizer: Optimizer) -> None:
    """Raise ``ValueError`` for a model or an optimizer that attach does not support."""
    check_scripted(model)
    if isinstance(model, DistributedDataParallel | DataParallel):
        raise InputError(f"attach the recipe to the model first, then wrap that in {type(model).__name__}")
    if isinstance(optimizer, LBFGS):
        raise InputError(
            "LBFGS takes many gradients in a step and compares their losses; attach needs one that takes one"
        )
    if any(group.get("maximize") for group in optimizer.param_groups):
        raise InputError("the optimizer maximizes, and penalties must be minimized; negate the loss instead")


def check_steps(recipe: Recipe, steps: int | None) -> None:
    """Raise ``ValueError`` if ``steps`` is missing though needed, or is not a positive integer."""
    if steps is None:
        lacking = [unit for unit in recipe if needs_steps(unit)]
        if lacking:
            raise InputError(f"{lacking[0]!r} must know how long the training is: attach(..., steps=all its steps)")
    elif isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise InputError(f"steps must be a whole number above 0, got {steps!r}")


def needs_steps(unit: Regularizer) -> bool:
    """Return True if a regularizer depends on the number of steps, by a schedule or its formula."""
    if unit.is_scheduled or unit.several_networks:
        return True
    if "steps" not in unit.step_inputs:
        return False
    if not isinstance(unit, Average):
        return True
    one = torch.ones(())  # most averages are told the steps and do not ask for them
    results = type(unit).torch(one, one, **unit.keywords(), step=1, steps=math.nan)
    return any(bool(each.isnan()) for each in results)
