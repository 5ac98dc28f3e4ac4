"""A user's module as the engine sees it: made from its factory under a seed, watched once."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode

from bridle import sizes
from bridle.acting import Site
from bridle.outline import WEIGHTED, Shapes, sites_of, watch
from bridle.randomness import seeded

WHOLE = ""  # what torch calls a module among its own parts
COMPILED = "_orig_mod"  # where torch.compile keeps the module that it wraps, also in the names of its parameters


def make(factory: Callable[[], nn.Module], seed: int, row: Tensor | None = None) -> nn.Module:
    """The factory's module with the initial weights of a seed; the caller's random numbers are left as they were.

    Layers that wait for their first batch to know their shape are shown ``row`` (1, ...).
    """
    with seeded(seed):
        with Measured():  # type: ignore[no-untyped-call]
            module = factory()
        if not isinstance(module, nn.Module):
            raise ValueError(
                f"a network is a description such as mlp(128, 64), or a function that returns an nn.Module, "
                f"and this function returned {module!r}"
            )
        if any(each.is_meta for each in (*module.parameters(), *module.buffers())):
            raise ValueError("the network has parameters on the meta device, which have no values; make it on the CPU")
        if row is not None and any(map(is_lazy, (*module.parameters(), *module.buffers()))):
            show(module, row.float())
    return module


class Measured(TorchDispatchMode):
    """Within, no tensor is made that the memory could not hold as often as training needs it: ``ValueError``."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        size = args[0] if args and isinstance(args[0], list | tuple) else ()
        if size and all(isinstance(each, int) for each in size):
            sizes.check_weights(math.prod(size))
        return func(*args, **(kwargs or {}))


def show(module: nn.Module, row: Tensor) -> Any:
    """What the module makes of a row (1, ...) in evaluation mode; ``ValueError`` where it cannot take it."""
    try:
        with torch.no_grad(), evaluating(module):
            return module(row.clone())
    except Exception as error:  # whatever the user's code may raise
        raise ValueError(f"the network cannot take a batch of shape {tuple(row.shape)}: {said(error)}") from error


def said(error: Exception) -> str:
    """What an error says, and of which type it is where that tells something."""
    return f"{error}" if isinstance(error, RuntimeError | ValueError) else f"{type(error).__name__}: {error}"


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Within, the module and its parts are in evaluation mode; then each is in its own."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


def own_copy(module: nn.Module, row: Tensor) -> nn.Module:
    """A copy that shares nothing with what a factory returned: parts of that may be the user's."""
    try:
        return copy.deepcopy(module)
    except Exception:  # torch does not copy what hangs on a graph; a pass without gradients leaves no such thing
        show(module, row)
    try:
        return copy.deepcopy(module)
    except Exception as error:
        raise ValueError(f"the network cannot be copied, as every run needs its own: {said(error)}") from error


def uncompiled(module: nn.Module) -> nn.Module:
    """The module without the wrappers of torch.compile, in place: compiled code is not for several copies at once."""
    for name, part in list(module.named_children()):
        plain = uncompiled(part)
        if plain is not part:
            setattr(module, name, plain)
    inner: nn.Module = getattr(module, COMPILED, module)
    return inner


def cast(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The module with its real numbers in this precision, in place; complex ones stay what they are."""
    return module.double() if dtype == torch.float64 else module.float()


def tensors(module: nn.Module) -> dict[str, Tensor]:
    """A module's parameters and buffers, tied ones once, named as without torch.compile."""
    own = (*module.named_parameters(), *module.named_buffers())
    return {name.replace(f"{COMPILED}.", ""): each.detach() for name, each in own}


@dataclass(frozen=True)
class Outline:
    """A module as the engine sees it: its weighted layers in running order, with the shapes that pass them."""

    module: nn.Module  # as it was made: no pass has left anything in it
    example: Tensor  # one row (1, ...)
    n_outputs: int
    layers: tuple[str, ...]
    inputs: tuple[torch.Size, ...]  # of each weighted layer, for one row
    outputs: tuple[torch.Size, ...]
    own_dropouts: tuple[tuple[str, torch.Size], ...]
    points: tuple[tuple[str, torch.Size], ...]  # other modules that give out a tensor, and its shape for one row
    resting: tuple[str, ...]  # parts that were made in evaluation mode, and stay in it while the others train

    @classmethod
    def of(cls, factory: Callable[[], nn.Module], row: Tensor, n_outputs: int, dtype: torch.dtype) -> Outline:
        """Run ``row`` (1, ...) through the module and watch; ``ValueError`` where it does not come out (1, outputs)."""
        made = make(factory, 0, row)
        sizes.check_weights(sum(each.numel() for each in made.parameters()))
        module = cast(uncompiled(own_copy(made, row)).cpu(), dtype)
        check_parameters(module)
        watched, row = copy.deepcopy(module), row.to(dtype)
        with seeded(0):
            z, seen = watch(watched, lambda: show(watched, row))
        check_output(z, 1, n_outputs)
        parts = dict(module.named_modules())
        resting = tuple(name for name, part in parts.items() if module.training and not part.training)
        # A network that is one weighted layer, or has none but parameters of its own, is a layer as a whole.
        seen[WHOLE] = Shapes(row.shape, z.shape)
        layers = tuple(name for name in seen if name and isinstance(parts[name], WEIGHTED)) or (WHOLE,)
        dropouts = tuple((name, seen[name].into[1:]) for name in seen if isinstance(parts[name], nn.Dropout))
        return cls(
            module,
            row,
            n_outputs,
            layers,
            inputs=tuple(seen[name].into[1:] for name in layers),
            outputs=tuple(seen[name].out[1:] for name in layers),
            own_dropouts=tuple((name, shape) for name, shape in dropouts if name not in resting),
            points=tuple((name, shapes.out[1:]) for name, shapes in seen.items() if name and name not in layers),
            resting=resting,
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
    def left_behind(self) -> list[int]:
        """The numbers that one row leaves behind: at the input, twice, as it is copied, and at every innermost part."""
        parts = dict(self.module.named_modules())
        inner = [shape for name, shape in self.points if not list(parts[name].children())]
        given_out = [math.prod(shape) for shape in (*self.outputs, *inner)]
        return [2 * self.example.numel(), *given_out]

    @property
    def sites(self) -> list[Site]:
        """Where layers may stand: the input, behind each hidden weighted layer, and elsewhere by name."""
        return sites_of(self.module, self.layers, [name for name, _ in self.points])


def check_parameters(module: nn.Module) -> None:
    """Raise ``ValueError`` where there is nothing to train, or something that the engine cannot train."""
    if any(isinstance(part, torch.jit.ScriptModule) for part in module.modules()):
        raise ValueError("the network is a scripted module, into which nothing can be put; return it as it was written")
    own = dict(module.named_parameters())
    if not any(each.requires_grad for each in own.values()):
        found = "all its parameters are frozen (requires_grad=False)" if own else "it has no parameters"
        raise ValueError(f"the network has nothing to train: {found}")
    for name, each in own.items():
        if each.is_complex():
            raise ValueError(
                f"the network's parameter {name} is complex, which the engine does not train; keep it as two real "
                f"numbers and write torch.view_as_complex({name.rpartition('.')[2]}) in forward"
            )


def check_output(z: object, rows: int, n_outputs: int) -> None:
    """Raise ``ValueError`` for what is no tensor (rows, outputs)."""
    if not isinstance(z, Tensor) or z.shape != (rows, n_outputs):
        found = f"shape {tuple(z.shape)}" if isinstance(z, Tensor) else type(z).__name__
        raise ValueError(
            f"the network must map a batch to shape (batch, {n_outputs}); for a batch of {rows} it gave {found}"
        )
