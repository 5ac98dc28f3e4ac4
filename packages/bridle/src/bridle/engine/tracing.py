"""A user's module as the engine sees it, traced in one pass."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bridle import memory_estimate
from bridle.engine.user_modules import build_module, cast, dry_run, private_copy, uncompiled
from bridle.errors import InputError
from bridle.global_seeds import seeded
from bridle.module_sites import WEIGHTED, IOShapes, find_sites, trace_shapes
from bridle.sites import Site

__all__ = ["WHOLE_MODULE", "TracedModule", "check_output"]

WHOLE_MODULE = ""  # what torch calls a module among its own parts


@dataclass(frozen=True)
class TracedModule:
    """A module as the engine sees it: its weighted layers in running order, with the shapes that pass them."""

    module: nn.Module  # as it was made: no pass has left anything in it
    example: Tensor  # one row (1, ...)
    n_outputs: int
    layers: tuple[str, ...]
    inputs: tuple[torch.Size, ...]  # of each weighted layer, for one row
    outputs: tuple[torch.Size, ...]
    own_dropouts: tuple[tuple[str, torch.Size], ...]
    other_modules: tuple[tuple[str, torch.Size], ...]  # other modules that give out a tensor, and its shape for one row
    always_eval: tuple[str, ...]  # parts that were made in evaluation mode, and stay in it while the others train

    @classmethod
    def of(cls, factory: Callable[[], nn.Module], row: Tensor, n_outputs: int, dtype: torch.dtype) -> TracedModule:
        """Run ``row`` (1, ...) through the module and watch; ``ValueError`` where it does not come out (1, outputs)."""
        made = build_module(factory, 0, row)
        memory_estimate.check_weights(sum(each.numel() for each in made.parameters()))
        module = cast(uncompiled(private_copy(made, row)).cpu(), dtype)
        check_parameters(module)
        watched, row = copy.deepcopy(module), row.to(dtype)
        with seeded(0):
            z, seen = trace_shapes(watched, lambda: dry_run(watched, row))
        check_output(z, 1, n_outputs)
        parts = dict(module.named_modules())
        always_eval = tuple(name for name, part in parts.items() if module.training and not part.training)
        # A network that is one weighted layer, or has none but parameters of its own, is a layer as a whole.
        seen[WHOLE_MODULE] = IOShapes(row.shape, z.shape)
        layers = tuple(name for name in seen if name and isinstance(parts[name], WEIGHTED)) or (WHOLE_MODULE,)
        dropouts = tuple((name, seen[name].into[1:]) for name in seen if isinstance(parts[name], nn.Dropout))
        return cls(
            module,
            row,
            n_outputs,
            layers,
            inputs=tuple(seen[name].into[1:] for name in layers),
            outputs=tuple(seen[name].out[1:] for name in layers),
            own_dropouts=tuple((name, shape) for name, shape in dropouts if name not in always_eval),
            other_modules=tuple((name, shapes.out[1:]) for name, shapes in seen.items() if name and name not in layers),
            always_eval=always_eval,
        )

    @property
    def weighted(self) -> list[str]:
        """The layers that have a weight; a network of bare parameters has none."""
        return [name for name in self.layers if isinstance(self.module.get_submodule(name), WEIGHTED)]

    @property
    def row(self) -> torch.Size:
        """The shape of one row."""
        return self.example.shape[1:]

    @property
    def activation_sizes(self) -> list[int]:
        """The numbers that one row leaves behind: at the input, twice, as it is copied, and at every innermost part."""
        parts = dict(self.module.named_modules())
        inner = [shape for name, shape in self.other_modules if not list(parts[name].children())]
        given_out = [math.prod(shape) for shape in (*self.outputs, *inner)]
        return [2 * self.example.numel(), *given_out]

    @property
    def sites(self) -> list[Site]:
        """The sites where layers may stand: the input, behind each hidden weighted layer, and elsewhere by name."""
        return find_sites(self.module, self.layers, [name for name, _ in self.other_modules])


def check_parameters(module: nn.Module) -> None:
    """Raise ``ValueError`` where there is nothing to train, or something that the engine cannot train."""
    if any(isinstance(part, torch.jit.ScriptModule) for part in module.modules()):
        raise InputError("the network is a scripted module, into which nothing can be put; return it as it was written")
    own = dict(module.named_parameters())
    if not any(each.requires_grad for each in own.values()):
        found = "all its parameters are frozen (requires_grad=False)" if own else "it has no parameters"
        raise InputError(f"the network has nothing to train: {found}")
    for name, each in own.items():
        if each.is_complex():
            raise InputError(
                f"the network's parameter {name} is complex, which the engine does not train; keep it as two real "
                f"numbers and write torch.view_as_complex({name.rpartition('.')[2]}) in forward"
            )


def check_output(z: object, rows: int, n_outputs: int) -> None:
    """Raise ``ValueError`` for what is no tensor (rows, outputs)."""
    if not isinstance(z, Tensor) or z.shape != (rows, n_outputs):
        found = f"shape {tuple(z.shape)}" if isinstance(z, Tensor) else type(z).__name__
        raise InputError(
            f"the network must map a batch to shape (batch, {n_outputs}); for a batch of {rows} it gave {found}"
        )
