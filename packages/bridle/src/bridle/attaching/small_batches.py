"""Gradient accumulation: small batches whose gradients add up to that of one, and their weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bridle.attaching.assembly import Assembly
from bridle.attaching.loss_probing import class_weight, is_sum_reduced
from bridle.attaching.model_inputs import first_tensor
from bridle.attaching.objectives import IGNORED, LossFunction, known
from bridle.attaching.parameter_groups import optimized_parameters
from bridle.errors import InputError

MOST_CLASSES = 1000  # of so many it is tried what each weighs
BY_CLASS = (nn.CrossEntropyLoss, nn.NLLLoss)


class SmallBatch(NamedTuple):
    """A transformed batch, the mark of its noise, and its weight relative to the first."""

    x: Any
    y: Any
    mark: Any
    share: float


class SmallBatches:
    """The batches since the last update, whose gradients are accumulated."""

    def __init__(self, parts: Assembly) -> None:
        self.parts = parts
        self.batches: list[SmallBatch] = []
        self.first_terms = 0.0  # how many terms the loss of the first that counts is the mean of; 0 where it is a sum

    @cached_property
    def counting(self) -> LossTermCounter:
        """Return the counter of loss terms."""
        assert self.parts.options.loss is not None
        return LossTermCounter(self.parts.options.loss, self.parts.outputs)

    def share(self, x: Any, y: Any, weight: float | None) -> float:
        """Return the weight of a batch relative to the first batch that counts."""
        if not self.batches:
            self.first_terms = 0.0
        if weight is None and self.counting.is_sum_reduced:
            return 1.0
        count = self.counting.terms(x, y) if weight is None else checked(weight)
        self.first_terms = self.first_terms or count
        return count / self.first_terms if self.first_terms else 0.0

    def add(self, x: Any, y: Any, share: float) -> None:
        """Add a transformed batch; its tensors are kept only if it will run again."""
        again = SmallBatch(x, y, self.parts.recorder.mark, share)
        self.batches.append(again if self.parts.ascents else SmallBatch(None, None, None, share))

    def clear(self) -> None:
        """Forget the batches after an update."""
        self.batches.clear()

    @property
    def whole(self) -> float:
        """Return the divisor of accumulated gradients."""
        return (sum(each.share for each in self.batches) or 1.0) if self.first_terms else 1.0

    def average_gradients(self) -> bool:
        """Divide accumulated gradients to their mean; return True if that has changed them."""
        whole = self.whole
        if whole != 1:
            held = optimized_parameters(self.parts.optimizer)
            torch._foreach_div_([each.grad for each in held if each.grad is not None], whole)
        return whole != 1

    def repeat(self, backward: Callable[[Any, Any, float], Any]) -> None:
        """Run each batch's backward pass again, with its share of the whole and its own noise."""
        for each in self.batches:
            with self.parts.recorder.noise.replay(each.mark):
                backward(each.x, each.y, each.share / self.whole)


class LossTermCounter:
    """Counts the terms that a loss averages over, by the loss's options or by probing it."""

    def __init__(self, loss: LossFunction, outputs: int | None) -> None:
        self.loss, self.outputs, self.settings = loss, outputs, settings_of(loss)
        self.is_probed = not known(loss).exactly and "reduction" not in self.settings
        self.weights: dict[int, float] = {}  # of class ids, as they come

    @cached_property
    def is_sum_reduced(self) -> bool:
        """Return True if the loss is a sum."""
        return (
            is_sum_reduced(self.loss, self.outputs)
            if self.is_probed
            else self.settings.get("reduction", "mean") == "sum"
        )

    def terms(self, x: Any, y: Any) -> float:
        """Return the number of terms of a batch's loss: its targets' elements; of class ids, their total weight.

        It is 0 for a batch in which no target counts: that has no mean.
        """
        targets = first_tensor(y)
        if targets is None:
            rows = first_tensor(x)
            return 1.0 if rows is None or not rows.ndim else float(len(rows))
        if targets.dtype != torch.int64:
            return float(max(targets.numel(), 1))
        if self.is_probed and self.outputs is not None and self.outputs > 1:
            return sum(self.weight(each) * count for each, count in counted(targets))
        counting = targets[targets != self.settings.get("ignore_index", IGNORED)]
        weights = self.settings.get("weight")
        return float(counting.numel() if weights is None else weights[counting].sum())

    def weight(self, which: int) -> float:
        """Return the weight of a class id under a loss that is not torch's."""
        if which not in self.weights:
            assert self.outputs is not None
            few = self.outputs <= MOST_CLASSES or which < 0
            self.weights[which] = class_weight(self.loss, self.outputs, which) if few else 1.0
        return self.weights[which]


def counted(targets: Tensor) -> list[tuple[int, int]]:
    """Return each id among the targets with its count."""
    ids, counts = targets.unique(return_counts=True)
    return list(zip(ids.tolist(), counts.tolist(), strict=True))


def settings_of(loss: LossFunction) -> Mapping[str, Any]:
    """Return the options of torch's losses, and of partials of them, that decide on their mean."""
    if isinstance(loss, partial):
        return {**settings_of(loss.func), **loss.keywords}
    names = ("reduction", "ignore_index", "weight") if isinstance(loss, BY_CLASS) else ("reduction",)
    return {name: getattr(loss, name) for name in names if hasattr(loss, name)}


def checked(weight: float) -> float:
    """Return the user's weight of a batch; ``ValueError`` if it is not a positive number."""
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < math.inf:
        raise InputError(
            f"weight is how many terms the loss of this batch is the mean of, a number above 0: {weight!r}"
        )
    return float(weight)
