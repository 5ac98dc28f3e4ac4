"""The forward hooks by which a recipe's modules act on the input or output of a module of the model."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from torch import Tensor, nn

from bridle.attaching.pass_recorder import frozen_buffers
from bridle.module_sites import ModulePath
from bridle.places import Draw
from bridle.places.activation_checkpointing import is_rerun
from bridle.places.module import Drawer, as_units
from bridle.regularizers import Dropout

__all__ = ["on_inputs", "on_output", "seeded_dropout"]


def apply_modules(part: nn.Module, steps: tuple[ModulePath, ...], h: object) -> Tensor:
    """Apply the recipe's modules at these paths to activations, in turn."""
    if not isinstance(h, Tensor):
        raise TypeError(f"a recipe's layer acts on tensors, and {type(part).__name__} deals in {type(h).__name__}")
    activations: Tensor = h
    for path in steps:
        inner = part
        for name in path:
            inner = getattr(inner, name)
        with frozen_buffers(inner) if is_rerun() else nullcontext():
            activations = inner(activations)
    return activations


def on_inputs(
    part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], *, steps: tuple[ModulePath, ...]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Apply the recipe's modules to a module's first input: a forward pre-hook."""
    if args:
        return (apply_modules(part, steps, args[0]), *args[1:]), kwargs
    name, h = next(iter(kwargs.items()))
    return args, {**kwargs, name: apply_modules(part, steps, h)}


def on_output(part: nn.Module, inputs: tuple[Any, ...], output: object, *, steps: tuple[ModulePath, ...]) -> Tensor:
    """Apply the recipe's modules to a module's output: a forward hook."""
    return apply_modules(part, steps, output)


def seeded_dropout(
    part: nn.Dropout, inputs: tuple[Tensor, ...], output: Tensor, *, draw: Drawer, stream_id: int
) -> Tensor:
    """Redo the model's own dropout with the seed's noise: a forward hook."""
    if not part.training or part.inplace or not part.p:
        return output
    flat, restore = as_units(inputs[0])
    return restore(Dropout.torch(flat, *draw((Draw(),), stream_id, flat), rate=float(part.p)))
