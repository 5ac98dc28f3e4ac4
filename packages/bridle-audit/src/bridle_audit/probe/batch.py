"""A batch as a training loop gives it to a model, in whatever form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sized
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.data import DataLoader

from bridle_audit.errors import InputError

FORMS = "(x, y), (x, y, ...) with more inputs behind, a dictionary of named inputs, or a DataLoader of such"


@dataclass(frozen=True)
class Batch:
    """The arguments of the model, and the targets."""

    arguments: tuple[Any, ...]
    named: Mapping[str, Any]
    y: Any  # None where the model is given the targets among its inputs
    last_rows: int | None = None  # how many the last batch of the epoch has, where a loader was given that knows

    @classmethod
    def of(cls, given: Any) -> Self:
        """From ``(x, y)``, where x may be a tuple or a dictionary; from a dictionary, ``labels`` in it; from a loader.

        Raises ``ValueError`` for anything else.
        """
        if isinstance(given, Mapping):
            return cls((), dict(given), given.get("labels"))
        if isinstance(given, tuple | list) and len(given) == 2:
            x, y = given
            if isinstance(x, Mapping):
                return cls((), dict(x), y)
            return cls(tuple(x) if isinstance(x, tuple | list) else (x,), {}, y)
        if isinstance(given, Iterable) and not isinstance(given, Tensor | tuple | list):
            return replace(cls.of(next(iter(given), None)), last_rows=rows_at_the_end(given))
        raise InputError(f"batch: expected {FORMS}; got {type(given).__name__}")

    def __len__(self) -> int:
        """How many rows it has: the length of its first tensor with axes; 0 where there is none."""
        sizes = [each.shape[0] for each in self.tensors if each.ndim]
        return sizes[0] if sizes else 0

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors of the inputs."""
        return [each for each in tree_leaves((self.arguments, dict(self.named))) if isinstance(each, Tensor)]

    def run(self, model: nn.Module) -> Any:
        """What the model makes of it."""
        return model(*self.arguments, **self.named)

    def changed(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The same with every tensor changed, targets too."""

        def one(held: Any) -> Any:
            return change(held) if isinstance(held, Tensor) else held

        named = tree_map(one, dict(self.named))
        return Batch(tree_map(one, self.arguments), named, tree_map(one, self.y), self.last_rows)

    def copied(self) -> Batch:
        """The same in memory of its own, so that a model that changes its input does not change the user's."""
        return self.changed(lambda held: held.detach().clone())

    def in_double(self) -> Batch:
        """The same with its floating-point numbers in double precision."""
        return self.changed(lambda held: held.double() if held.is_floating_point() else held)

    def part(self, rows: slice) -> Batch:
        """Some of its rows: of every tensor that has as many as the batch."""
        count = len(self)
        return self.changed(lambda held: held[rows] if held.ndim and held.shape[0] == count else held)


def rows_at_the_end(loader: Any) -> int | None:
    """How many rows a loader's last batch has; None for one that does not know."""
    if not isinstance(loader, DataLoader) or loader.batch_size is None or not isinstance(loader.sampler, Sized):
        return None
    rows = len(loader.sampler)
    rest = rows % loader.batch_size
    return loader.batch_size if rest == 0 or (loader.drop_last and rows > rest) else rest


def logits_of(output: Any) -> Tensor | None:
    """The tensor that a loss is made of: the output, its ``logits``, or the first of several."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        found = output.get("logits", next((each for each in output.values() if isinstance(each, Tensor)), None))
        return found if isinstance(found, Tensor) else None
    if isinstance(getattr(output, "logits", None), Tensor):
        logits: Tensor = output.logits
        return logits
    leaves = tree_leaves(output)
    return next((each for each in leaves if isinstance(each, Tensor) and each.is_floating_point()), None)


def scalar_of(loss: Any) -> Tensor | None:
    """A loss as one number; None where it is none."""
    if isinstance(loss, Tensor) and loss.numel() == 1 and loss.is_floating_point():
        return loss.reshape(())
    if isinstance(loss, Tensor) and loss.is_floating_point() and loss.numel():  # reduction="none"
        return loss.mean()
    return None


def same(left: Tensor, right: Tensor) -> bool:
    """Whether two tensors hold the same numbers, bit for bit; NaN in the same spots counts as the same."""
    return left.shape == right.shape and bool(torch.equal(left.nan_to_num(7.0), right.nan_to_num(7.0)))
