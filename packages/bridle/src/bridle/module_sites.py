"""The sites in a module at which a recipe's layers may act. The engine and ``attach`` ask here, so they agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from bridle.networks import Residual
from bridle.sites import RESIDUAL, Site, hidden_site, input_site

__all__ = [
    "OWN_DROPOUT_STREAMS",
    "PREFIX",
    "WEIGHTED",
    "IOShapes",
    "ModulePath",
    "find_sites",
    "parent_module",
    "trace_shapes",
]

WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
PREFIX = "recipe_"  # of the layers that a recipe adds: a module may well have a norm1 of its own
OWN_DROPOUT_STREAMS = 2**16  # the noise of the module's own dropout layers is numbered from here

ModulePath = tuple[str, ...]  # the names on the way down to a part of a module


class IOShapes(NamedTuple):
    """The shapes of the input and the output of a part of a module, the batch included."""

    into: torch.Size
    out: torch.Size


def trace_shapes(module: nn.Module, run: Callable[[], object]) -> tuple[Any, dict[str, IOShapes]]:
    """Run ``run()``; returns its result, and the shapes at each part of the module that acts in it, by when it ends.

    Only parts that take a tensor first and give one out are noted, where they act for the first time.
    """
    seen: dict[str, IOShapes] = {}

    def hook(name: str) -> Callable[..., None]:
        def note(part: nn.Module, inputs: tuple[Any, ...], output: object) -> None:
            if inputs and isinstance(inputs[0], Tensor) and isinstance(output, Tensor):
                seen.setdefault(name, IOShapes(inputs[0].shape, output.shape))

        return note

    handles = [part.register_forward_hook(hook(name)) for name, part in module.named_modules() if name]
    try:
        return run(), seen
    finally:
        for handle in handles:
            handle.remove()


def find_sites(module: nn.Module, layers: Sequence[str], points: Sequence[str]) -> list[Site]:
    """The input, the hidden ones of the weighted ``layers`` (in running order, the output last), ``points`` by name."""
    kinds = {name: parametrize.type_before_parametrizations(part).__name__ for name, part in module.named_modules()}
    hidden = [hidden_site(number, name, kinds[name]) for number, name in enumerate(layers[:-1], start=1)]
    named = []
    for number, name in enumerate(points, start=len(layers)):
        branch = (RESIDUAL,) if isinstance(parent_module(module, name), Residual) else ()
        named.append(Site(number, (name, kinds[name], *branch), hidden=False))
    return [input_site(), *hidden, *named]


def parent_module(module: nn.Module, name: str) -> nn.Module | None:
    """The part of a module that the part with this name is directly in; ``None`` for one directly in the module."""
    whose, _, _ = name.rpartition(".")
    return module.get_submodule(whose) if whose else None
