"""A user's module as the engine sees it: made from its factory under a seed, probed once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def make(factory: Callable[[], nn.Module], seed: int) -> nn.Module:
    """The factory's module with the initial weights of a seed; the caller's random numbers are left as they were."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = factory()
    if not isinstance(module, nn.Module):
        raise ValueError(f"a network is mlp(...), linear() or a function that returns an nn.Module, got {module!r}")
    return module


@dataclass(frozen=True)
class Outline:
    """A module as the engine sees it: its weighted layers in running order, with the shapes that pass them."""

    module: nn.Module  # in evaluation mode
    layers: tuple[str, ...]
    inputs: tuple[torch.Size, ...]  # of each weighted layer, for one row
    outputs: tuple[torch.Size, ...]
    own_dropouts: tuple[tuple[str, torch.Size], ...]

    @classmethod
    def of(cls, module: nn.Module, row: Tensor, outputs: int) -> Outline:
        """Run ``row`` (1, ...) through the module and watch; ``ValueError`` where it does not come out (1, outputs)."""
        seen: dict[str, tuple[torch.Size, torch.Size]] = {}

        def watch(name: str) -> Callable[..., None]:
            def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
                seen.setdefault(name, (inputs[0].shape[1:], output.shape[1:]))

            return note

        watched = {name: each for name, each in module.named_modules() if isinstance(each, (*WEIGHTED, nn.Dropout))}
        handles = [each.register_forward_hook(watch(name)) for name, each in watched.items()]
        try:
            with torch.no_grad():
                z = module.eval()(row)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise ValueError(f"the network cannot take a batch of shape {tuple(row.shape)}: {error}") from error
        finally:
            for handle in handles:
                handle.remove()
        if not isinstance(z, Tensor) or z.shape != (1, outputs):
            found = f"shape {tuple(z.shape)}" if isinstance(z, Tensor) else type(z).__name__
            raise ValueError(
                f"the network must map a batch to shape (batch, {outputs}); for a batch of 1 it gave {found}"
            )
        layers = tuple(name for name in seen if isinstance(watched[name], WEIGHTED))
        dropouts = tuple((name, seen[name][0]) for name in seen if name not in layers)
        return cls(module, layers, tuple(seen[n][0] for n in layers), tuple(seen[n][1] for n in layers), dropouts)


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
