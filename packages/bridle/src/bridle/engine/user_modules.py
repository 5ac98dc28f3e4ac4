"""A user's module: made from its factory under a seed, shown a row, copied, taken out of torch.compile's wrappers."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode

from bridle import memory_estimate
from bridle.errors import InputError
from bridle.eval_mode import eval_mode
from bridle.global_seeds import seeded
from bridle_audit.wording import error_message

__all__ = ["build_module", "cast", "dry_run", "named_tensors", "private_copy", "uncompiled"]

COMPILED = "_orig_mod"  # where torch.compile keeps the module that it wraps, also in the names of its parameters


def build_module(factory: Callable[[], nn.Module], seed: int, row: Tensor | None = None) -> nn.Module:
    """Build the factory's module with the initial weights of a seed, without moving the caller's random numbers.

    Layers that wait for their first batch to know their shape are shown ``row`` (1, ...).
    """
    with seeded(seed):
        with MemoryGuard():  # type: ignore[no-untyped-call]
            module = factory()
        if not isinstance(module, nn.Module):
            raise InputError(
                f"a network is a description such as mlp(128, 64), or a function that returns an nn.Module, "
                f"and this function returned {module!r}"
            )
        if any(each.is_meta for each in (*module.parameters(), *module.buffers())):
            raise InputError("the network has parameters on the meta device, which have no values; make it on the CPU")
        if row is not None and any(map(is_lazy, (*module.parameters(), *module.buffers()))):
            dry_run(module, row.float())
    return module


class MemoryGuard(TorchDispatchMode):
    """A context in which a tensor that is too large to be trained raises ``ValueError`` before it is made."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        size = args[0] if args and isinstance(args[0], list | tuple) else ()
        if size and all(isinstance(each, int) for each in size):
            memory_estimate.check_weights(math.prod(size))
        return func(*args, **(kwargs or {}))


def dry_run(module: nn.Module, row: Tensor) -> Any:
    """Run the module on a row (1, ...) in evaluation mode; ``ValueError`` where it cannot take it."""
    try:
        with torch.no_grad(), eval_mode(module):
            return module(row.clone())
    except Exception as error:  # whatever the user's code may raise
        raise InputError(
            f"the network cannot take a batch of shape {tuple(row.shape)}: {error_message(error)}"
        ) from error


def private_copy(module: nn.Module, row: Tensor) -> nn.Module:
    """Copy a module so that it shares nothing with what a factory returned: parts of that may be the user's."""
    try:
        return copy.deepcopy(module)
    except Exception:  # torch does not copy what hangs on a graph; a pass without gradients leaves no such thing
        dry_run(module, row)
    try:
        return copy.deepcopy(module)
    except Exception as error:
        raise InputError(f"the network cannot be copied, as every run needs its own: {error_message(error)}") from error


def uncompiled(module: nn.Module) -> nn.Module:
    """Take the wrappers of torch.compile out of a module: compiled code is not for several copies at once."""
    for name, part in list(module.named_children()):
        plain = uncompiled(part)
        if plain is not part:
            setattr(module, name, plain)
    inner: nn.Module = getattr(module, COMPILED, module)
    return inner


def cast(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Cast a module's real numbers to this precision, in place; complex ones stay what they are."""
    return module.double() if dtype == torch.float64 else module.float()


def named_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return a module's parameters and buffers, tied ones once, named as without torch.compile."""
    own = (*module.named_parameters(), *module.named_buffers())
    return {name.replace(f"{COMPILED}.", ""): each.detach() for name, each in own}
