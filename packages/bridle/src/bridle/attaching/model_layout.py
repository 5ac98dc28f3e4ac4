"""The layout of the user's model: its layers in execution order, and its other modules by name."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from bridle.attaching.model_inputs import as_call_arguments, first_row
from bridle.errors import InputError
from bridle.eval_mode import eval_mode
from bridle.module_sites import PREFIX, WEIGHTED, IOShapes, ModulePath, find_sites, trace_shapes
from bridle_audit.wording import error_message

__all__ = ["ModelLayout", "ndim_of", "path_to_leaf", "transposed_groups"]

AXES = {nn.Conv1d: 3, nn.Conv2d: 4, nn.Conv3d: 5}


class ModelLayout:
    """The layout of the user's model: its weighted layers in execution order, and its other modules by name."""

    def __init__(self, model: nn.Module, example: object) -> None:
        self.model = model
        self.modules = {name: part for name, part in model.named_modules() if name}
        self.io_shapes: dict[str, IOShapes] = {} if example is None else io_shapes_of(model, example)
        names = list(self.io_shapes) or [name for name, part in self.modules.items() if not is_never_called(part)]
        self.layers = [name for name in names if isinstance(self.modules[name], WEIGHTED)]
        self.other_modules = [name for name in names if name not in self.layers]
        self.sites = find_sites(model, self.layers, self.other_modules) if self.layers else []
        self.owners: dict[Tensor, list[tuple[nn.Module, str]]] = {}  # of each parameter: parts, and what they call it
        for part in model.modules():
            for kind, parameter in part.named_parameters(recurse=False, remove_duplicate=False):
                self.owners.setdefault(parameter, []).append((part, kind))

    def out_features(self, name: str) -> int | None:
        """Return the number of output units or channels of a module; ``None`` if it is unknown."""
        part = self.modules[name]
        if isinstance(part, WEIGHTED):
            return out_features_of(part)
        return self.io_shapes[name].out[1] if name in self.io_shapes else None

    def ndim_at(self, name: str, *, on_input: bool) -> int | None:
        """Return the number of dimensions of a module's input or output; ``None`` if it is unknown."""
        return ndim_of(self.modules[name], self.io_shapes.get(name), on_input=on_input)

    @property
    def outputs(self) -> int | None:
        """Return the number of the model's outputs: those of its last weighted layer; ``None`` if it has none."""
        if isinstance(self.model, WEIGHTED):
            return out_features_of(self.model)
        return self.out_features(self.layers[-1]) if self.layers else None


def ndim_of(part: nn.Module, io_shapes: IOShapes | None, *, on_input: bool) -> int | None:
    """Return the number of dimensions of a module's input or output; ``None`` if it is unknown."""
    if io_shapes is not None:
        return len(io_shapes.into if on_input else io_shapes.out)
    return next((axes for kind, axes in AXES.items() if isinstance(part, kind)), None)


def out_features_of(part: nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d) -> int:
    """Return the number of output units or channels of a weighted layer."""
    return int(part.out_features if isinstance(part, nn.Linear) else part.out_channels)


def is_never_called(part: nn.Module) -> bool:
    """Return True if a module's forward is never called, as others read its weights: its hooks would not run."""
    return isinstance(part, NonDynamicallyQuantizableLinear | nn.ModuleList | nn.ModuleDict)


def io_shapes_of(model: nn.Module, example: object) -> dict[str, IOShapes]:
    """Return the shapes of all inputs and outputs for one row of the example; ``ValueError`` if it does not run."""
    args, kwargs = as_call_arguments(example)
    try:
        with torch.no_grad(), eval_mode(model):
            return trace_shapes(
                model, lambda: model(*map(first_row, args), **{k: first_row(v) for k, v in kwargs.items()})
            )[1]
    except Exception as error:  # whatever the user's code may raise
        raise InputError(f"the model cannot take one row of the example: {error_message(error)}") from error


def path_to_leaf(part: nn.Module) -> ModulePath:
    """Return the path to the first submodule without children."""
    for name, child in part.named_children():
        if not name.startswith((PREFIX, "parametrizations")):
            return (name, *path_to_leaf(child))
    return ()


def transposed_groups(part: nn.Module) -> int:
    """Return the groups of a weight whose outputs are on the second axis; 0 if they are on the first."""
    if isinstance(part, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        return part.groups
    return int(type(part).__name__ == "Conv1D" and hasattr(part, "nf"))  # of Hugging Face: a linear layer
