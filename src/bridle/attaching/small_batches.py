"""Small batches whose gradients are added up to those of one: what each of them counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bridle.attaching.objectives import LossFunction

IGNORED = -100  # the target that torch's losses leave out unless they are told another
BY_CLASS = (nn.CrossEntropyLoss, nn.NLLLoss)


class SmallBatch(NamedTuple):
    """A batch as the network was shown it, where its noise began, and its share, the first one's being 1."""

    x: Any
    y: Any
    mark: Any
    share: float


def terms(loss: LossFunction, x: Any, y: Any) -> float:
    """How many terms a loss is the mean of: the numbers of its targets, of class ids those that count."""
    settings = settings_of(loss)
    if settings.get("reduction", "mean") == "sum":
        return 0.0
    targets = first_tensor(y)
    if targets is None:
        rows = first_tensor(x)
        return 1.0 if rows is None or not rows.ndim else float(len(rows))
    if targets.dtype != torch.int64:
        return float(max(targets.numel(), 1))
    counting = targets[targets != settings.get("ignore_index", IGNORED)]
    weights = settings.get("weight")
    amount = counting.numel() if weights is None else weights[counting].sum()
    return float(amount) or 1.0  # a batch of nothing has no mean, whatever it counts


def settings_of(loss: LossFunction) -> Mapping[str, Any]:
    """What a loss of torch's, or a partial of one, says of its mean; of others nothing is known."""
    if isinstance(loss, partial):
        return {**settings_of(loss.func), **loss.keywords}
    names = ("reduction", "ignore_index", "weight") if isinstance(loss, BY_CLASS) else ("reduction",)
    return {name: getattr(loss, name) for name in names if hasattr(loss, name)}


def first_tensor(values: Any) -> Tensor | None:
    """The first tensor of a batch's part, be it one, several or named ones."""
    if isinstance(values, Tensor):
        return values
    several: Iterable[Any] = values.values() if isinstance(values, Mapping) else values if is_listed(values) else ()
    return next((found for each in several if (found := first_tensor(each)) is not None), None)


def is_listed(values: Any) -> bool:
    """Whether a batch's part is a list or a tuple."""
    return isinstance(values, list | tuple)
