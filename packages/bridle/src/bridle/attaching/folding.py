"""Folding: affine layers absorbed into the weight and bias of the linear or convolutional layer beside them."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from bridle.attaching.layers import InsertedLayer
from bridle.places import Layer
from bridle.places.module import FormulaModule, WeightModule
from bridle.schedules import LAST

__all__ = [
    "CONVOLUTIONS",
    "FORWARDS",
    "Affine",
    "affine_of",
    "can_fold_into",
    "fold",
    "is_affine",
    "is_recipe_hook",
    "keywords",
    "stored_weight",
]

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
FORWARDS = [kind.forward for kind in (nn.Linear, *CONVOLUTIONS, *TRANSPOSED)]
EXACT = 1e-9
UNITS = 32  # of what a formula is tried on: they divide into groups


class Affine(NamedTuple):
    """A scale and a shift of each unit, ``scale · h + shift``, both (units,) in float64."""

    scale: Tensor
    shift: Tensor


def keywords(each: InsertedLayer) -> dict[str, Any]:
    """Return the current keyword arguments of a layer's formula."""
    if isinstance(each.module, FormulaModule):
        return {name: float(value) if isinstance(value, Tensor) else value for name, value in each.module.knobs.items()}
    return each.layer_at_site.layer.keywords(*each.layer_at_site.site.names, passed=LAST)


def affine_of(each: InsertedLayer) -> Affine:
    """Return scale and shift of a layer that :func:`is_affine`, as it evaluates now."""
    layer, module = each.layer_at_site.layer, each.module
    shape = (-1, 1, 1) if layer.maps else (-1,)
    parameters, state = (
        [getattr(module, name).detach().double().view(shape) for name in names]
        for names in (layer.parameters, layer.state._fields)
    )
    zeros = torch.zeros_like([*parameters, *state, torch.zeros(1).double().view(shape)][0])[None]
    shift, both = (layer.call_evaluate(h, parameters, state, keywords(each)).flatten() for h in (zeros, zeros + 1))
    return Affine(both - shift, shift)


@cache
def is_affine(kind: type[Layer]) -> bool:
    """Return True if a layer scales and shifts each unit by itself in evaluation mode, found out by trying it."""
    random = torch.Generator().manual_seed(0)
    axes = (5, UNITS, 2, 2) if kind.maps else (5, UNITS)
    column = (-1, 1, 1) if kind.maps else (-1,)
    h = torch.randn(axes, generator=random, dtype=torch.float64)
    if not (kind.parameters or kind.state):
        return False
    parameters, state = (
        [torch.rand(UNITS, generator=random, dtype=torch.float64).add(0.5).view(column) for _ in starts]
        for starts in (kind.parameters, kind.state)
    )
    unit = kind()
    knobs = unit.keywords(passed=LAST)
    shift, both, out = (unit.call_evaluate(each, parameters, state, knobs) for each in (h * 0, h * 0 + 1, h))
    return bool(torch.allclose(out, (both - shift) * h + shift, rtol=EXACT, atol=EXACT))


def can_fold_into(part: nn.Module, *, in_front: bool) -> bool:
    """Return True if a module can absorb an affine layer on its output, or its input, exactly."""
    weight = stored_weight(part)
    if type(part).forward not in FORWARDS or "forward" in vars(part) or weight is None:
        return False
    bias = part._parameters.get("bias")
    if not weight.requires_grad or (bias is not None and not bias.requires_grad):
        return False  # frozen: it stays what it is
    if not weight.is_floating_point() or weight.dtype.itemsize < 4:
        return False  # too few digits to be the same
    hooks = part._forward_pre_hooks if in_front else part._forward_hooks
    if any(not is_recipe_hook(hook) for hook in hooks.values()):
        return False
    return not in_front or not pads_with_zeros(part)


def stored_weight(part: nn.Module) -> nn.Parameter | None:
    """Return the parameter behind a module's weight, if only the recipe parametrizes it; else ``None``."""
    if not parametrize.is_parametrized(part, "weight"):
        found = part._parameters.get("weight")
        return found if isinstance(found, nn.Parameter) else None
    made: Any = part.parametrizations
    ours = all(isinstance(each, WeightModule) for each in made.weight)
    stored: Any = made.weight.original if ours else None
    return stored if isinstance(stored, nn.Parameter) else None


def pads_with_zeros(part: nn.Module) -> bool:
    """Return True if a module pads its input with zeros, so that a shift before it cannot be folded."""
    if isinstance(part, nn.Linear):
        return False
    if isinstance(part, TRANSPOSED):
        return True  # its borders see fewer of the shifted values than its middle
    assert isinstance(part, CONVOLUTIONS)
    if part.padding_mode != "zeros" or part.padding == "valid":
        return False
    if part.padding == "same":
        return any(size > 1 for size in part.kernel_size)
    return any(int(each) > 0 for each in part.padding)


def is_recipe_hook(hook: object) -> bool:
    """Return True if a hook belongs to a recipe."""
    return str(getattr(getattr(hook, "func", hook), "__module__", "")).startswith("bridle.")


@torch.no_grad()
def fold(part: Any, layer: Affine, *, in_front: bool) -> nn.Parameter | None:
    """Fold an affine layer on a module's output, or its input; return the bias if the module had none before."""
    weight, bias = part.weight, part._parameters.get("bias")
    w = weight.detach().double()
    scale, shift = (each.to(w.device) for each in layer)
    old = torch.zeros(outputs_of(part), dtype=w.dtype, device=w.device) if bias is None else bias.detach().double()
    if in_front:
        new = old + (w * by_input(part, shift)).flatten(1).sum(1)
        weight.copy_(w * by_input(part, scale))
    else:
        new = old * scale + shift
        weight.copy_(w * by_output(part, scale))
    if bias is not None:
        bias.copy_(new)
        return None
    part.bias = nn.Parameter(new.to(weight.dtype))
    made: nn.Parameter = part.bias
    return made


def outputs_of(part: Any) -> int:
    """Return the number of output units or channels of a module."""
    return int(part.out_features if isinstance(part, nn.Linear) else part.out_channels)


def by_output(part: Any, values: Tensor) -> Tensor:
    """Reshape one value per output so that it broadcasts over the module's weight."""
    if not isinstance(part, TRANSPOSED):
        return values.view(-1, *[1] * (part.weight.ndim - 1))
    kernel = [1] * (part.weight.ndim - 2)
    of_group = values.view(part.groups, 1, -1, *kernel)  # (groups, inputs of one, outputs of one, ...)
    return of_group.expand(-1, part.in_channels // part.groups, *[-1] * (1 + len(kernel))).flatten(0, 1)


def by_input(part: Any, values: Tensor) -> Tensor:
    """Reshape one value per input so that it broadcasts over the module's weight."""
    if isinstance(part, nn.Linear):
        return values
    kernel = [1] * (part.weight.ndim - 2)
    of_group = values.view(part.groups, 1, -1, *kernel)  # (groups, outputs of one, inputs of one, ...)
    return of_group.expand(-1, part.out_channels // part.groups, *[-1] * (1 + len(kernel))).flatten(0, 1)
