"""Small batches whose gradients are added up to those of one: what each of them counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bridle.attaching.assembly import Assembly
from bridle.attaching.calling import first_tensor
from bridle.attaching.groups import held_by
from bridle.attaching.objectives import IGNORED, LossFunction, known
from bridle.attaching.unknown_losses import adds_up, weight_of
from bridle.errors import InputError

MOST_CLASSES = 1000  # of so many it is tried what each weighs
BY_CLASS = (nn.CrossEntropyLoss, nn.NLLLoss)


class SmallBatch(NamedTuple):
    """A batch as the network was shown it, where its noise began, and what it counts beside the first that counts."""

    x: Any
    y: Any
    mark: Any
    share: float


class SmallBatches:
    """The batches since the last update, whose gradients are added up and become those of one."""

    def __init__(self, parts: Assembly) -> None:
        self.parts = parts
        self.batches: list[SmallBatch] = []
        self.first_terms = 0.0  # how many terms the loss of the first that counts is the mean of; 0 where it is a sum

    @cached_property
    def counting(self) -> Counting:
        """What batches count under the loss."""
        assert self.parts.options.loss is not None
        return Counting(self.parts.options.loss, self.parts.outputs)

    def share(self, x: Any, y: Any, weight: float | None) -> float:
        """What a batch that comes counts beside the first that counts."""
        if not self.batches:
            self.first_terms = 0.0
        if weight is None and self.counting.adds_up:
            return 1.0
        count = self.counting.terms(x, y) if weight is None else checked(weight)
        self.first_terms = self.first_terms or count
        return count / self.first_terms if self.first_terms else 0.0

    def add(self, x: Any, y: Any, share: float) -> None:
        """Note a batch, as the network was shown it; what runs again later is kept."""
        again = SmallBatch(x, y, self.parts.tape.mark, share)
        self.batches.append(again if self.parts.climbs else SmallBatch(None, None, None, share))

    def clear(self) -> None:
        """An update was made."""
        self.batches.clear()

    @property
    def whole(self) -> float:
        """By what gradients that were added up are to be divided."""
        return (sum(each.share for each in self.batches) or 1.0) if self.first_terms else 1.0

    def average_gradients(self) -> bool:
        """Gradients that were added up become their mean; tells whether that is another one."""
        whole = self.whole
        if whole != 1:
            held = held_by(self.parts.optimizer)
            torch._foreach_div_([each.grad for each in held if each.grad is not None], whole)
        return whole != 1

    def repeat(self, backward: Callable[[Any, Any, float], Any]) -> None:
        """The backward pass of each batch once more, by its share of the whole, under its own noise."""
        for each in self.batches:
            with self.parts.tape.noise.replay(each.mark):
                backward(each.x, each.y, each.share / self.whole)


class Counting:
    """What small batches count under a loss: how many terms it is the mean of, by what it says, or by trying it."""

    def __init__(self, loss: LossFunction, outputs: int | None) -> None:
        self.loss, self.outputs, self.settings = loss, outputs, settings_of(loss)
        self.is_tried = not known(loss).exactly and "reduction" not in self.settings
        self.weights: dict[int, float] = {}  # of class ids, as they come

    @cached_property
    def adds_up(self) -> bool:
        """Whether losses are sums, which no count divides."""
        return adds_up(self.loss, self.outputs) if self.is_tried else self.settings.get("reduction", "mean") == "sum"

    def terms(self, x: Any, y: Any) -> float:
        """How many terms the loss of a batch is the mean of: the numbers of its targets, of class ids what they weigh.

        None at all is 0: such a batch has no mean.
        """
        targets = first_tensor(y)
        if targets is None:
            rows = first_tensor(x)
            return 1.0 if rows is None or not rows.ndim else float(len(rows))
        if targets.dtype != torch.int64:
            return float(max(targets.numel(), 1))
        if self.is_tried and self.outputs is not None and self.outputs > 1:
            return sum(self.weight(each) * count for each, count in counted(targets))
        counting = targets[targets != self.settings.get("ignore_index", IGNORED)]
        weights = self.settings.get("weight")
        return float(counting.numel() if weights is None else weights[counting].sum())

    def weight(self, which: int) -> float:
        """What a target of this id counts under a loss that is not torch's."""
        if which not in self.weights:
            assert self.outputs is not None
            few = self.outputs <= MOST_CLASSES or which < 0
            self.weights[which] = weight_of(self.loss, self.outputs, which) if few else 1.0
        return self.weights[which]


def counted(targets: Tensor) -> list[tuple[int, int]]:
    """The ids among targets, and how often each is there."""
    ids, counts = targets.unique(return_counts=True)
    return list(zip(ids.tolist(), counts.tolist(), strict=True))


def settings_of(loss: LossFunction) -> Mapping[str, Any]:
    """What a loss of torch's, or a partial of one, says of its mean; of others nothing is known."""
    if isinstance(loss, partial):
        return {**settings_of(loss.func), **loss.keywords}
    names = ("reduction", "ignore_index", "weight") if isinstance(loss, BY_CLASS) else ("reduction",)
    return {name: getattr(loss, name) for name in names if hasattr(loss, name)}


def checked(weight: float) -> float:
    """What the user says a batch counts; ``ValueError`` where it is no number above 0."""
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < math.inf:
        raise InputError(
            f"weight is how many terms the loss of this batch is the mean of, a number above 0: {weight!r}"
        )
    return float(weight)
