"""Probes unknown loss functions: their task, reduction and class weights, by calling them on outputs of our own."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

__all__ = [
    "LossFunction",
    "class_weight",
    "ignores_index",
    "is_close",
    "is_sum_reduced",
    "loss_value",
    "probe_task",
    "random_logits",
]

LossFunction = Callable[[Any, Tensor], Tensor]
ROWS = 4
FAR = 40.0  # a logit of which the sigmoid is 1 to every digit
CLOSE = 1e-3  # relative
MOST_TRIED = 10  # classes, for one that counts


class LogitsOutput(dict[str, Tensor]):
    """A dictionary of outputs with the attribute ``logits``, as models of Hugging Face return."""

    @property
    def logits(self) -> Tensor:
        """Return the tensor itself."""
        return self["logits"]


def probe_task(loss: LossFunction, outputs: int | None) -> str:
    """Return the task of a loss, for a model of so many outputs; empty if none is recognized.

    Cross-entropy stays the same when a number is added to all logits of a row, a loss of numbers when it is added to
    outputs and targets alike, and a binary cross-entropy falls from 40 over log 2 to 0, on both sides.
    """
    function = cpu_copy(loss)
    for z, y in trial_batches(outputs or 3):
        start, moved = loss_value(function, z, y), loss_value(function, 2 * z, y)
        if start is None or is_close(start, moved):
            continue
        shift = torch.linspace(1.0, 5.0, ROWS).view(-1, *[1] * (z.ndim - 1))
        if z.ndim > 1 and z.shape[1] > 1 and is_close(start, loss_value(function, z + shift, y)):
            return "classification"
        if y.is_floating_point() and all(
            is_close(start, loss_value(function, z + far, y + far)) for far in (3.0, -1.7)
        ):
            return "regression"
        if is_logistic(function, z, y):
            return "multilabel"
    return ""


def ignores_index(loss: LossFunction, outputs: int, ignored: int) -> bool:
    """Return True if a loss of class ids ignores the rows with this id."""
    function = cpu_copy(loss)
    z = random_logits(2, outputs)
    whole, alone = (loss_value(function, z[:rows], torch.tensor([0, ignored])[:rows]) for rows in (2, 1))
    return is_close(whole, alone)


def is_sum_reduced(loss: LossFunction, outputs: int | None) -> bool:
    """Return True if a loss is a sum over the rows, False if it is a mean."""
    function = cpu_copy(loss)
    for z, y in trial_batches(outputs or 3):
        once, twice = loss_value(function, z, y), loss_value(function, torch.cat((z, z)), torch.cat((y, y)))
        if once and twice is not None and not is_close(once, twice):
            return is_close(2 * once, twice)
    return False


def class_weight(loss: LossFunction, outputs: int, which: int) -> float:
    """Return a class's weight in a mean, relative to the first class that counts; 1 if it cannot be determined.

    Of two rows a mean lies between their own losses, nearer to that of the greater weight.
    """
    function, z = cpu_copy(loss), random_logits(2, outputs)
    for reference in range(min(outputs, MOST_TRIED)):
        ids = torch.tensor([reference, which])
        first, own, both = (
            loss_value(function, z[rows], ids[rows]) for rows in (slice(1), slice(1, None), slice(None))
        )
        if first is not None:
            return weight_in_mean(first, own, both)
    return 1.0


def weight_in_mean(first: float, own: float | None, both: float | None) -> float:
    """Return a row's weight in the mean with a row of weight 1; 1 if the losses are no such mean."""
    if both is None or own is None:
        return 0.0 if is_close(both, first) else 1.0
    found = (first - both) / (both - own) if both != own else math.inf
    return found if 0 <= found < math.inf and abs(found - 1) > CLOSE and not is_close(first, own) else 1.0


def trial_batches(outputs: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield outputs and targets in the shapes that losses take."""
    z = random_logits(ROWS, outputs)
    shares = random_logits(ROWS, outputs, seed=2).softmax(1) if outputs > 1 else torch.linspace(0.1, 0.9, ROWS)[:, None]
    yield z, shares
    yield z, torch.arange(ROWS) % outputs
    if outputs == 1:
        yield z, shares[:, 0]
        yield z[:, 0], shares[:, 0]


def random_logits(rows: int, outputs: int, seed: int = 1) -> Tensor:
    """Return random logits, without using the global generators."""
    return torch.randn(rows, outputs, generator=torch.Generator("cpu").manual_seed(seed)) * 3


def is_logistic(loss: LossFunction, z: Tensor, y: Tensor) -> bool:
    """Return True if the loss of 1 is log 2 at 0, 0 far above and linear far below, and that of 0 mirrored."""
    for target, sign in ((torch.ones_like(y), 1.0), (torch.zeros_like(y), -1.0)):
        middle, right, wrong = (loss_value(loss, torch.full_like(z, sign * far), target) for far in (0.0, FAR, -FAR))
        if middle is None or right is None or not wrong or abs(right) > CLOSE * wrong:
            return False
        if not is_close(middle / wrong, math.log(2) / FAR):
            return False
    return True


@torch.no_grad()
def loss_value(loss: LossFunction, z: Tensor, y: Tensor) -> float | None:
    """Return the loss, summed if it is not reduced; ``None`` if the function rejects the arguments."""
    for outputs in (z, LogitsOutput(logits=z)):
        try:
            found = loss(outputs, y)
            number = float(found.sum())
        except Exception:  # somebody's function may refuse what we ask in any way it likes: then it is not known
            continue
        return number if math.isfinite(number) else None
    return None


def cpu_copy(loss: LossFunction) -> LossFunction:
    """Return a copy of a loss module on the CPU, as it may have state; functions as they are."""
    if not isinstance(loss, nn.Module):
        return loss
    try:
        return copy.deepcopy(loss).cpu()
    except Exception:  # what cannot be copied is tried as it is
        return loss


def is_close(one: float | None, other: float | None) -> bool:
    """Return True if two losses are equal but for rounding."""
    return one is not None and other is not None and abs(one - other) <= CLOSE * (abs(one) + abs(other)) / 2
