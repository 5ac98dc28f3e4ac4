"""A batch as a training loop gives it to a model, in any of the usual forms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sized
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.data import DataLoader

from bridle_audit.errors import InputError

__all__ = ["LossFunction", "ProbeBatch", "logits_of", "same_numbers", "scalar_of"]

LossFunction = Callable[[Any, Any], Any]  # of the model's output and the targets
ACCEPTED_FORMS = "(x, y), (x, y, ...) with more inputs behind, a dictionary of named inputs, or a DataLoader of such"


@dataclass(frozen=True)
class ProbeBatch:
    """The arguments of the model, and the targets."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    y: Any  # None where the model is given the targets among its inputs
    last_batch_rows: int | None = None  # in the last batch of an epoch, where a loader was given that knows

    @classmethod
    def of(cls, given: object) -> Self:
        """Make a batch from ``(x, y)``, x a tensor, tuple or dictionary; a dictionary with ``labels``; or a loader.

        Raises ``InputError`` for anything else.
        """
        if isinstance(given, Mapping):
            return cls((), dict(given), given.get("labels"))
        if isinstance(given, tuple | list) and len(given) == 2:
            x, y = given
            if isinstance(x, Mapping):
                return cls((), dict(x), y)
            return cls(tuple(x) if isinstance(x, tuple | list) else (x,), {}, y)
        if isinstance(given, Iterable) and not isinstance(given, Tensor | tuple | list):
            return replace(cls.of(next(iter(given), None)), last_batch_rows=last_batch_rows(given))
        raise InputError(f"batch: expected {ACCEPTED_FORMS}; got {type(given).__name__}")

    def __len__(self) -> int:
        """Return the number of rows: the length of the first tensor with axes; 0 without one."""
        sizes = [each.shape[0] for each in self.tensors if each.ndim]
        return sizes[0] if sizes else 0

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors among the inputs."""
        return [each for each in tree_leaves((self.args, dict(self.kwargs))) if isinstance(each, Tensor)]

    def call(self, model: nn.Module) -> Any:
        """Return the model's output for the batch."""
        return model(*self.args, **self.kwargs)

    def map_tensors(self, function: Callable[[Tensor], Tensor]) -> ProbeBatch:
        """Return the batch with a function applied to every tensor, targets too."""

        def one(held: object) -> object:
            return function(held) if isinstance(held, Tensor) else held

        kwargs = tree_map(one, dict(self.kwargs))
        return ProbeBatch(tree_map(one, self.args), kwargs, tree_map(one, self.y), self.last_batch_rows)

    def clone(self) -> ProbeBatch:
        """Return a copy in memory of its own, so that a model that changes its input does not change the user's."""
        return self.map_tensors(lambda held: held.detach().clone())

    def double(self) -> ProbeBatch:
        """Return the batch with its floating-point tensors in double precision."""
        return self.map_tensors(lambda held: held.double() if held.is_floating_point() else held)

    def take_rows(self, rows: slice) -> ProbeBatch:
        """Return some rows of every tensor that has as many as the batch."""
        count = len(self)
        return self.map_tensors(lambda held: held[rows] if held.ndim and held.shape[0] == count else held)


def last_batch_rows(loader: object) -> int | None:
    """Return the number of rows in a loader's last batch; None for a loader that does not know."""
    if not isinstance(loader, DataLoader) or loader.batch_size is None or not isinstance(loader.sampler, Sized):
        return None
    rows = len(loader.sampler)
    rest = rows % loader.batch_size
    return loader.batch_size if rest == 0 or (loader.drop_last and rows > rest) else rest


def logits_of(output: object) -> Tensor | None:
    """Return the tensor that a loss is computed from: the output, its ``logits``, or the first of several."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        found = output.get("logits", next((each for each in output.values() if isinstance(each, Tensor)), None))
        return found if isinstance(found, Tensor) else None
    logits = getattr(output, "logits", None)
    if isinstance(logits, Tensor):
        return logits
    leaves = tree_leaves(output)
    return next((each for each in leaves if isinstance(each, Tensor) and each.is_floating_point()), None)


def scalar_of(loss: object) -> Tensor | None:
    """Return a loss as a scalar, the mean of one with ``reduction="none"``; None for anything else."""
    if isinstance(loss, Tensor) and loss.numel() == 1 and loss.is_floating_point():
        return loss.reshape(())
    if isinstance(loss, Tensor) and loss.is_floating_point() and loss.numel():
        return loss.mean()
    return None


def same_numbers(left: Tensor, right: Tensor) -> bool:
    """Return True if two tensors hold the same numbers, bit for bit; NaN in both counts as the same."""
    return left.shape == right.shape and bool(torch.equal(left.nan_to_num(7.0), right.nan_to_num(7.0)))
