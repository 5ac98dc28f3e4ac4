"""Recognition of a loss function by its values: it may be torch's, a lambda, or the user's own."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bridle_audit.probe.batch import LossFunction, scalar_of

__all__ = ["MeasuredLoss"]

MARGIN = 40.0  # between the right logit and the others: the softmax of it is 1 to every digit of a double
CLOSE = 1e-4  # relative: single precision, summed over a batch


class MeasuredLoss:
    """A loss function with the logits that it was given and the targets; its properties are measured.

    It is recognized by its values for logits of our own, so that a lambda or a wrapper counts for what it computes.
    """

    def __init__(self, function: LossFunction, logits: Tensor, y: Any) -> None:
        self.function, self.logits, self.y = function, logits.detach(), y

    def value(self, logits: Tensor, y: Any = None) -> float | None:
        """Return the loss as a number; None if the function does not take these logits and targets."""
        try:
            with torch.no_grad():
                loss = scalar_of(self.function(logits, self.y if y is None else y))
        except Exception:  # a user's function may refuse what we ask in any way it likes: then it is not known
            return None
        return None if loss is None else float(loss)

    @cached_property
    def class_axis(self) -> int | None:
        """The axis of the logits along which the loss takes a softmax; None if it takes none.

        Cross-entropy does not change when the same number is added to all logits of a row; nothing else of the usual
        losses has that property along any axis. A loss that does not depend on the logits at all has no such axis.
        """
        if self.logits.ndim < 2 or not self.logits.is_floating_point():
            return None
        noise = torch.randn(self.logits.shape, generator=torch.Generator().manual_seed(1)).to(self.logits) * 3
        start = self.value(noise)
        if start is None or nearly_equal(self.value(noise * 2), start):
            return None
        for axis in dict.fromkeys((1, self.logits.ndim - 1)):
            shape = [size if at != axis else 1 for at, size in enumerate(noise.shape)]
            shift = torch.randn(shape, generator=torch.Generator().manual_seed(2)).to(noise) * 5
            if noise.shape[axis] > 1 and nearly_equal(self.value(noise + shift), start):
                return axis
        return None

    @property
    def is_cross_entropy(self) -> bool:
        """True if the loss takes a softmax of its own."""
        return self.class_axis is not None

    @cached_property
    def is_binary_cross_entropy(self) -> bool:
        """True if the loss is binary cross-entropy of logits: it takes a sigmoid of its own."""
        if not isinstance(self.y, Tensor) or self.y.shape != self.logits.shape or self.is_cross_entropy:
            return False
        noise = torch.randn(self.logits.shape, generator=torch.Generator().manual_seed(1)).to(self.logits)
        y = (torch.arange(noise.numel(), device=noise.device).view_as(noise) % 2).to(self.y.dtype)
        found = self.value(noise, y)
        mean = float(F.binary_cross_entropy_with_logits(noise, y.to(noise)))
        return found is not None and (nearly_equal(found, mean) or nearly_equal(found, mean * noise.numel()))

    @property
    def takes_logits(self) -> bool:
        """True if the loss must be given logits, not probabilities."""
        return self.is_cross_entropy or self.is_binary_cross_entropy

    @cached_property
    def class_count(self) -> int:
        """The number of classes; 0 if the loss takes no softmax."""
        return self.logits.shape[self.class_axis] if self.class_axis is not None else 0

    @cached_property
    def label_smoothing(self) -> float:
        """The label smoothing within the loss, measured: the share of the targets that it spreads over all classes.

        With logits that are MARGIN for the right class and 0 elsewhere, cross-entropy is 0, and with smoothing it is
        smoothing · (classes - 1) / classes · MARGIN. 0 where it takes no softmax.
        """
        ids = self.class_ids
        if ids is None or self.class_axis is None:
            return 0.0
        if self.class_weights is not None:  # they weigh the smoothing too, so that it is not what is measured
            return float(getattr(self.function, "label_smoothing", 0.0))
        sure = torch.zeros_like(self.logits).scatter_(self.class_axis, ids.unsqueeze(self.class_axis), MARGIN)
        floor, base = self.value(sure, self.hard_targets), self.value(torch.zeros_like(sure), self.hard_targets)
        if floor is None or base is None or not base:
            return 0.0
        per_row = floor / base * math.log(self.class_count)  # whatever it is reduced by
        return max(0.0, per_row / MARGIN * self.class_count / (self.class_count - 1))

    @cached_property
    def target_smoothing(self) -> float:
        """The label smoothing within the targets: the least share of each row, times the classes; 0 for ids.

        It is the same in all rows, also where they were mixed after the smoothing. What a teacher says has another
        least share in each row, what was only mixed has zeros; of two classes none of this tells.
        """
        if not self.has_soft_targets or self.class_axis is None or self.class_count < 3:
            return 0.0
        shares = self.y.detach().double()
        least, sums = shares.amin(self.class_axis), shares.sum(self.class_axis)
        is_level = bool(least.max() - least.min() <= CLOSE * least.max()) and bool(((sums - 1).abs() < 1e-3).all())
        return float(least.mean()) * self.class_count if is_level else 0.0

    @property
    def has_soft_targets(self) -> bool:
        """True if the targets are probabilities of classes, not ids."""
        return isinstance(self.y, Tensor) and self.y.is_floating_point() and self.y.shape == self.logits.shape

    @property
    def hard_targets(self) -> Any:
        """The targets with the likeliest class alone, one-hot if they were given as probabilities."""
        if not self.has_soft_targets or self.class_axis is None:
            return self.y
        likeliest = self.y.argmax(self.class_axis)
        return F.one_hot(likeliest, self.class_count).movedim(-1, self.class_axis).to(self.y.dtype)

    @cached_property
    def class_ids(self) -> Tensor | None:
        """The classes that the targets name, one for each row of logits; None if the loss takes no softmax.

        They are read from the loss, which may shift or skip rows: with all logits equal, its gradient is lowest for the
        class that the target names.
        """
        if self.class_axis is None:
            return None
        with torch.enable_grad():
            equal = torch.zeros_like(self.logits).requires_grad_(True)
            loss = scalar_of(self.function(equal, self.hard_targets))
            if loss is None or not loss.requires_grad:
                return None
            (gradient,) = torch.autograd.grad(loss, equal, allow_unused=True)
        return None if gradient is None else gradient.argmin(self.class_axis)

    @cached_property
    def is_sum(self) -> bool:
        """True if the loss is a sum over the rows, measured: twice the batch is twice the loss."""
        if not isinstance(self.y, Tensor) or not len(self.y) or len(self.y) != len(self.logits):
            return False
        once = self.value(self.logits)
        twice = self.value(torch.cat([self.logits] * 2), torch.cat([self.y] * 2))
        return once is not None and twice is not None and abs(once) > 1e-12 and nearly_equal(twice, 2 * once)

    @property
    def class_weights(self) -> Tensor | None:
        """The weights of the classes, if the function is a module of torch that has some."""
        held = getattr(self.function, "weight", None)
        return held if isinstance(self.function, nn.Module) and isinstance(held, Tensor) else None


def nearly_equal(left: float | None, right: float | None) -> bool:
    """Return True if both losses are known and equal but for rounding."""
    return left is not None and right is not None and abs(left - right) <= CLOSE * (abs(left) + abs(right)) / 2
