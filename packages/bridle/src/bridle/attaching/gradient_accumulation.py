"""Gradient accumulation: small batches whose gradients add up to that of one, and their weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import torch

from bridle.attaching.assembly import Assembly
from bridle.attaching.loss_terms import LossTermCounter
from bridle.attaching.parameter_groups import optimized_parameters
from bridle.errors import InputError

__all__ = ["GradientAccumulation"]


class AccumulatedBatch(NamedTuple):
    """A transformed batch, the mark of its noise, and its weight relative to the first."""

    x: Any
    y: Any
    mark: Any
    share: float


class GradientAccumulation:
    """The batches since the last update, whose gradients are accumulated."""

    def __init__(self, parts: Assembly) -> None:
        self.parts = parts
        self.batches: list[AccumulatedBatch] = []
        self.first_terms = 0.0  # how many terms the loss of the first that counts is the mean of; 0 where it is a sum

    @cached_property
    def term_counter(self) -> LossTermCounter:
        """Return the counter of loss terms."""
        assert self.parts.options.loss is not None
        return LossTermCounter(self.parts.options.loss, self.parts.outputs)

    def share(self, x: Any, y: Any, weight: float | None) -> float:
        """Return the weight of a batch relative to the first batch that counts."""
        if not self.batches:
            self.first_terms = 0.0
        if weight is None and self.term_counter.is_sum_reduced:
            return 1.0
        count = self.term_counter.terms(x, y) if weight is None else checked_weight(weight)
        self.first_terms = self.first_terms or count
        return count / self.first_terms if self.first_terms else 0.0

    def add(self, x: Any, y: Any, share: float) -> None:
        """Add a transformed batch; its tensors are kept only if it will run again."""
        again = AccumulatedBatch(x, y, self.parts.recorder.mark, share)
        self.batches.append(again if self.parts.ascents else AccumulatedBatch(None, None, None, share))

    def clear(self) -> None:
        """Forget the batches after an update."""
        self.batches.clear()

    @property
    def total_share(self) -> float:
        """Return the divisor of accumulated gradients."""
        return (sum(each.share for each in self.batches) or 1.0) if self.first_terms else 1.0

    def average_gradients(self) -> bool:
        """Divide accumulated gradients to their mean; return True if that has changed them."""
        total_share = self.total_share
        if total_share != 1:
            held = optimized_parameters(self.parts.optimizer)
            torch._foreach_div_([each.grad for each in held if each.grad is not None], total_share)
        return total_share != 1

    def repeat(self, backward: Callable[[Any, Any, float], object]) -> None:
        """Run each batch's backward pass again, with its share of the whole and its own noise."""
        for each in self.batches:
            with self.parts.recorder.noise.replay(each.mark):
                backward(each.x, each.y, each.share / self.total_share)


def checked_weight(weight: float) -> float:
    """Return the user's weight of a batch; ``ValueError`` if it is not a positive number."""
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < math.inf:
        raise InputError(
            f"weight is how many terms the loss of this batch is the mean of, a number above 0: {weight!r}"
        )
    return float(weight)
