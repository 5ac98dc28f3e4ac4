"""The terms that a loss averages over, to weight small batches by."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn

from bridle.attaching.loss_probing import LossFunction, class_weight, is_sum_reduced
from bridle.attaching.model_inputs import first_tensor
from bridle.attaching.objectives import IGNORED, known_objective

__all__ = ["LossTermCounter"]

MOST_CLASSES = 1000  # of so many it is tried what each weighs
BY_CLASS = (nn.CrossEntropyLoss, nn.NLLLoss)


class LossTermCounter:
    """Counts the terms that a loss averages over, by the loss's options or by probing it."""

    def __init__(self, loss: LossFunction, outputs: int | None) -> None:
        self.loss, self.outputs, self.options = loss, outputs, reduction_options(loss)
        self.is_probed = not known_objective(loss).is_torch_loss and "reduction" not in self.options
        self.weights: dict[int, float] = {}  # of class ids, as they come

    @cached_property
    def is_sum_reduced(self) -> bool:
        """Return True if the loss is a sum."""
        return (
            is_sum_reduced(self.loss, self.outputs)
            if self.is_probed
            else self.options.get("reduction", "mean") == "sum"
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
            return sum(self.weight(each) * count for each, count in id_counts(targets))
        counted = targets[targets != self.options.get("ignore_index", IGNORED)]
        weights = self.options.get("weight")
        return float(counted.numel() if weights is None else weights[counted].sum())

    def weight(self, which: int) -> float:
        """Return the weight of a class id under a loss that is not torch's."""
        if which not in self.weights:
            assert self.outputs is not None
            few = self.outputs <= MOST_CLASSES or which < 0
            self.weights[which] = class_weight(self.loss, self.outputs, which) if few else 1.0
        return self.weights[which]


def id_counts(targets: Tensor) -> list[tuple[int, int]]:
    """Return each id among the targets with its count."""
    ids, counts = targets.unique(return_counts=True)
    return list(zip(ids.tolist(), counts.tolist(), strict=True))


def reduction_options(loss: LossFunction) -> Mapping[str, Any]:
    """Return the options of torch's losses, and of partials of them, that decide on their mean."""
    if isinstance(loss, partial):
        return {**reduction_options(loss.func), **loss.keywords}
    names = ("reduction", "ignore_index", "weight") if isinstance(loss, BY_CLASS) else ("reduction",)
    return {name: getattr(loss, name) for name in names if hasattr(loss, name)}
