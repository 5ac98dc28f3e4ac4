"""What a loss function that nobody knows is, by what it does to outputs and targets of our own."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

ROWS = 4
FAR = 40.0  # a logit of which the sigmoid is 1 to every digit
CLOSE = 1e-3  # relative
MOST_TRIED = 10  # classes, for one that counts


class Logits(dict[str, Tensor]):
    """Outputs as an object with ``logits``, or a dictionary of them, as models of Hugging Face give."""

    @property
    def logits(self) -> Tensor:
        """The tensor itself."""
        return self["logits"]


def tried(loss: Any, outputs: int | None) -> str:
    """The task of a loss for a model of so many outputs; empty where none is recognized.

    Cross-entropy stays the same when a number is added to all logits of a row, a loss of numbers when it is added to
    outputs and targets alike, and a binary cross-entropy falls from 40 over log 2 to 0, on both sides.
    """
    function = own_copy(loss)
    for z, y in trials(outputs or 3):
        start, moved = value(function, z, y), value(function, 2 * z, y)
        if start is None or alike(start, moved):
            continue
        shift = torch.linspace(1.0, 5.0, ROWS).view(-1, *[1] * (z.ndim - 1))
        if z.ndim > 1 and z.shape[1] > 1 and alike(start, value(function, z + shift, y)):
            return "classification"
        if y.is_floating_point() and all(alike(start, value(function, z + far, y + far)) for far in (3.0, -1.7)):
            return "regression"
        if is_logistic(function, z, y):
            return "multilabel"
    return ""


def ignores(loss: Any, outputs: int, ignored: int) -> bool:
    """Whether a loss of class ids leaves out the rows of this id."""
    function = own_copy(loss)
    z = noise(2, outputs)
    whole, alone = (value(function, z[:rows], torch.tensor([0, ignored])[:rows]) for rows in (2, 1))
    return alike(whole, alone)


def adds_up(loss: Any, outputs: int | None) -> bool:
    """Whether a loss is a sum over the rows, so that it doubles with every row there twice; else it is a mean."""
    function = own_copy(loss)
    for z, y in trials(outputs or 3):
        once, twice = value(function, z, y), value(function, torch.cat((z, z)), torch.cat((y, y)))
        if once and twice is not None and not alike(once, twice):
            return alike(2 * once, twice)
    return False


def weight_of(loss: Any, outputs: int, which: int) -> float:
    """What a row of a class counts in a mean, beside one of the first class that counts; 1 where nobody can know.

    Of two rows a mean lies between their own losses, nearer to that of the greater weight.
    """
    function, z = own_copy(loss), noise(2, outputs)
    for reference in range(min(outputs, MOST_TRIED)):
        ids = torch.tensor([reference, which])
        first, own, both = (value(function, z[rows], ids[rows]) for rows in (slice(1), slice(1, None), slice(None)))
        if first is not None:
            return between(first, own, both)
    return 1.0


def between(first: float, own: float | None, both: float | None) -> float:
    """The weight of a row in the mean over it and another one, whose weight is 1; 1 where these are no such losses."""
    if both is None or own is None:
        return 0.0 if alike(both, first) else 1.0
    found = (first - both) / (both - own) if both != own else math.inf
    return found if 0 <= found < math.inf and abs(found - 1) > CLOSE and not alike(first, own) else 1.0


def trials(outputs: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Outputs and targets in the shapes that losses take."""
    z = noise(ROWS, outputs)
    shares = noise(ROWS, outputs, seed=2).softmax(1) if outputs > 1 else torch.linspace(0.1, 0.9, ROWS)[:, None]
    yield z, shares
    yield z, torch.arange(ROWS) % outputs
    if outputs == 1:
        yield z, shares[:, 0]
        yield z[:, 0], shares[:, 0]


def noise(rows: int, outputs: int, seed: int = 1) -> Tensor:
    """Numbers that leave everybody's generators alone."""
    return torch.randn(rows, outputs, generator=torch.Generator("cpu").manual_seed(seed)) * 3


def is_logistic(loss: Any, z: Tensor, y: Tensor) -> bool:
    """Whether yes costs log 2 at 0, nothing far above and the distance far below; and no the reverse."""
    for target, sign in ((torch.ones_like(y), 1.0), (torch.zeros_like(y), -1.0)):
        middle, right, wrong = (value(loss, torch.full_like(z, sign * far), target) for far in (0.0, FAR, -FAR))
        if middle is None or right is None or not wrong or abs(right) > CLOSE * wrong:
            return False
        if not alike(middle / wrong, math.log(2) / FAR):
            return False
    return True


@torch.no_grad()
def value(loss: Any, z: Tensor, y: Tensor) -> float | None:
    """The loss as a number, summed where it is not reduced; ``None`` where the function does not take these."""
    for outputs in (z, Logits(logits=z)):
        try:
            found = loss(outputs, y)
            number = float(found.sum())
        except Exception:  # somebody's function may refuse what we ask in any way it likes: then it is not known
            continue
        return number if math.isfinite(number) else None
    return None


def own_copy(loss: Any) -> Any:
    """A copy of a module, which may remember what it has seen; on the processor, where we try it."""
    if not isinstance(loss, nn.Module):
        return loss
    try:
        return copy.deepcopy(loss).cpu()
    except Exception:  # what cannot be copied is tried as it is
        return loss


def alike(one: float | None, other: float | None) -> bool:
    """Whether two losses are the same but for rounding."""
    return one is not None and other is not None and abs(one - other) <= CLOSE * (abs(one) + abs(other)) / 2
