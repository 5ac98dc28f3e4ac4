"""The hooks by which what a recipe hangs on a part of a model acts on its input or its output."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from torch import Tensor, nn

from bridle.attaching.frame import Path
from bridle.attaching.tape import resting
from bridle.places import Draw
from bridle.places.module import Drawer, as_units
from bridle.places.rerun import is_rerun
from bridle.regularizers import Dropout


def through(part: nn.Module, steps: tuple[Path, ...], h: Any) -> Tensor:
    """Activations through what hangs on a part."""
    if not isinstance(h, Tensor):
        raise TypeError(f"a recipe's layer acts on tensors, and {type(part).__name__} deals in {type(h).__name__}")
    for path in steps:
        inner = part
        for name in path:
            inner = getattr(inner, name)
        with resting(inner) if is_rerun() else nullcontext():
            h = inner(h)
    out: Tensor = h
    return out


def on_inputs(
    part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], *, steps: tuple[Path, ...]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The hook before a part."""
    if args:
        return (through(part, steps, args[0]), *args[1:]), kwargs
    name, h = next(iter(kwargs.items()))
    return args, {**kwargs, name: through(part, steps, h)}


def on_output(part: nn.Module, inputs: tuple[Any, ...], output: Any, *, steps: tuple[Path, ...]) -> Tensor:
    """The hook behind a part."""
    return through(part, steps, output)


def seeded_dropout(part: nn.Dropout, inputs: tuple[Tensor, ...], output: Tensor, *, draw: Drawer, spot: int) -> Tensor:
    """The hook behind a dropout layer of the model's own: the same with the seed's noise."""
    if not part.training or part.inplace or not part.p:
        return output
    flat, restore = as_units(inputs[0])
    return restore(Dropout.torch(flat, *draw((Draw(),), spot, flat), rate=float(part.p))[0])
