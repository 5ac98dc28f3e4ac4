"""A user's module as the engine sees it: made from its factory under a seed, probed once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from bridle.acting import Site
from bridle.outline import WEIGHTED, sites_of, watch


def make(factory: Callable[[], nn.Module], seed: int) -> nn.Module:
    """The factory's module with the initial weights of a seed; the caller's random numbers are left as they were."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = factory()
    if not isinstance(module, nn.Module):
        raise ValueError(
            f"a network is a description such as mlp(128, 64), or a function that returns an nn.Module, got {module!r}"
        )
    return module


@dataclass(frozen=True)
class Outline:
    """A module as the engine sees it: its weighted layers in running order, with the shapes that pass them."""

    module: nn.Module  # in evaluation mode
    row: torch.Size
    layers: tuple[str, ...]
    inputs: tuple[torch.Size, ...]  # of each weighted layer, for one row
    outputs: tuple[torch.Size, ...]
    own_dropouts: tuple[tuple[str, torch.Size], ...]
    points: tuple[tuple[str, torch.Size], ...]  # other modules that give out a tensor, and its shape for one row

    @classmethod
    def of(cls, module: nn.Module, row: Tensor, outputs: int) -> Outline:
        """Run ``row`` (1, ...) through the module and watch; ``ValueError`` where it does not come out (1, outputs)."""
        try:
            with torch.no_grad():
                z, seen = watch(module, lambda: module.eval()(row))
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise ValueError(f"the network cannot take a batch of shape {tuple(row.shape)}: {error}") from error
        if not isinstance(z, Tensor) or z.shape != (1, outputs):
            found = f"shape {tuple(z.shape)}" if isinstance(z, Tensor) else type(z).__name__
            raise ValueError(
                f"the network must map a batch to shape (batch, {outputs}); for a batch of 1 it gave {found}"
            )
        parts = dict(module.named_modules())
        layers = tuple(name for name in seen if isinstance(parts[name], WEIGHTED))
        dropouts = tuple((name, seen[name].into[1:]) for name in seen if isinstance(parts[name], nn.Dropout))
        points = tuple((name, shapes.out[1:]) for name, shapes in seen.items() if name not in layers)
        inputs, results = tuple(seen[name].into[1:] for name in layers), tuple(seen[name].out[1:] for name in layers)
        return cls(module, row.shape[1:], layers, inputs, results, dropouts, points)

    @property
    def sites(self) -> list[Site]:
        """Where layers may stand: the input, behind each hidden weighted layer, and elsewhere by name."""
        return sites_of(self.module, self.layers, [name for name, _ in self.points])


def stackable(outline: Outline, rows: Tensor) -> bool:
    """Whether torch.func can run several copies of the module at once, in training mode, on ``rows`` (2, ...)."""
    parameters, buffers = stack_module_state([outline.module, outline.module])
    module = outline.module.train()
    for name, _ in outline.own_dropouts:
        module.get_submodule(name).eval()

    def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        out: Tensor = functional_call(module, (parameters, {k: v.clone() for k, v in buffers.items()}), (rows,))
        return out

    try:
        with torch.no_grad():
            vmap(one)(parameters, buffers)
    except (RuntimeError, ValueError, TypeError, NotImplementedError):
        return False
    finally:
        module.eval()
    return True
