"""The user's model as a recipe sees it: its layers in running order, and its other parts by name."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from bridle.attaching.calling import call_of, one_row
from bridle.errors import InputError
from bridle.modes import eval_mode
from bridle.module_sites import PREFIX, WEIGHTED, IOShapes, find_sites, trace_shapes
from bridle_audit.wording import said

Path = tuple[str, ...]
AXES = {nn.Conv1d: 3, nn.Conv2d: 4, nn.Conv3d: 5}


class Frame:
    """The user's model as a recipe sees it: its weighted layers in running order, and its other parts by name."""

    def __init__(self, model: nn.Module, example: Any) -> None:
        self.model = model
        self.parts = {name: part for name, part in model.named_modules() if name}
        self.seen: dict[str, IOShapes] = {} if example is None else shapes_of(model, example)
        names = list(self.seen) or [name for name, part in self.parts.items() if not passes_by(part)]
        self.layers = [name for name in names if isinstance(self.parts[name], WEIGHTED)]
        self.points = [name for name in names if name not in self.layers]
        self.sites = find_sites(model, self.layers, self.points) if self.layers else []
        self.owners: dict[Tensor, list[tuple[nn.Module, str]]] = {}  # of each parameter: parts, and what they call it
        for part in model.modules():
            for kind, parameter in part.named_parameters(recurse=False, remove_duplicate=False):
                self.owners.setdefault(parameter, []).append((part, kind))

    def units_behind(self, name: str) -> int | None:
        """How many units or channels come out of a part; ``None`` where nobody has looked."""
        part = self.parts[name]
        if isinstance(part, WEIGHTED):
            return units_of(part)
        return self.seen[name].out[1] if name in self.seen else None

    def axes_at(self, name: str, *, on_input: bool) -> int | None:
        """How many axes the input or the output of a part has; ``None`` where nobody has looked."""
        return axes_of(self.parts[name], self.seen.get(name), on_input=on_input)

    @property
    def outputs(self) -> int | None:
        """How many outputs the model has: those of its last weighted layer, or its own where it is one."""
        if isinstance(self.model, WEIGHTED):
            return units_of(self.model)
        return self.units_behind(self.layers[-1]) if self.layers else None


def axes_of(part: nn.Module, seen: IOShapes | None, *, on_input: bool) -> int | None:
    """How many axes the input or the output of a part has; ``None`` where nobody has looked, and it may be any."""
    if seen is not None:
        return len(seen.into if on_input else seen.out)
    return next((axes for kind, axes in AXES.items() if isinstance(part, kind)), None)


def units_of(part: nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d) -> int:
    """How many units or channels a weighted layer has."""
    return int(part.out_features if isinstance(part, nn.Linear) else part.out_channels)


def passes_by(part: nn.Module) -> bool:
    """Whether a part's own forward is never called, as others read its weights: its hooks would not act."""
    return isinstance(part, NonDynamicallyQuantizableLinear | nn.ModuleList | nn.ModuleDict)


def shapes_of(model: nn.Module, example: Any) -> dict[str, IOShapes]:
    """The shapes in the model for one row of the example, in evaluation mode; ``ValueError`` if it does not run."""
    args, kwargs = call_of(example)
    try:
        with torch.no_grad(), eval_mode(model):
            return trace_shapes(
                model, lambda: model(*map(one_row, args), **{k: one_row(v) for k, v in kwargs.items()})
            )[1]
    except Exception as error:  # whatever the user's code may raise
        raise InputError(f"the model cannot take one row of the example: {said(error)}") from error


def leaf_within(part: nn.Module) -> Path:
    """The way down to the first part without children of its own."""
    for name, child in part.named_children():
        if not name.startswith((PREFIX, "parametrizations")):
            return (name, *leaf_within(child))
    return ()


def transposed_groups(part: nn.Module) -> int:
    """The groups whose outputs are on the second axis of a part's weight; 0 where all outputs are on the first."""
    if isinstance(part, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        return part.groups
    return int(type(part).__name__ == "Conv1D" and hasattr(part, "nf"))  # of Hugging Face: a linear layer
