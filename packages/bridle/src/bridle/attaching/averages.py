"""A second set of weights beside the trained ones: averages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from bridle.attaching.sums import Sum, add_up, as_sum
from bridle.attaching.targets import Averaged, Bucket, Moment, Statistic, Target, buckets
from bridle.places import Average
from bridle.places.module import at_least_float32


class Averages:
    """The averages of one regularizer, in float32 or better: in less, small shares of new weights would be lost."""

    def __init__(self, unit: Average, targets: Sequence[Target], statistics: Sequence[Statistic]) -> None:
        self.unit = unit
        self.statistics: list[Averaged] = [] if unit.moves_weights else [*statistics]
        self.formula = as_sum(unit)
        self.buckets: list[Bucket[Averaged]] = []
        self.values: list[list[Tensor]] = []
        self.waiting: dict[str, Tensor] = {}  # of a state that was loaded, for parameters that are trained only later
        self.take_in(targets)

    def take_in(self, targets: Sequence[Target]) -> None:
        """Average these from now on; what has come begins with the weights that it has."""
        known = {each: value for several, values in self.pairs() for each, value in zip(several, values, strict=True)}
        self.buckets = buckets(self.unit, [*targets, *self.statistics])
        self.sums = [Sum(*self.formula) if self.formula else None for _ in self.buckets]
        self.values = [
            [known[each] if each in known else self.first(each, now) for each, now in zip(*pair, strict=True)]
            for pair in ((bucket.targets, wide(bucket)) for bucket in self.buckets)
        ]

    def pairs(self) -> Iterator[tuple[list[Averaged], list[Tensor]]]:
        """Bucket by bucket what is averaged, and its averages."""
        return ((bucket.targets, values) for bucket, values in zip(self.buckets, self.values, strict=True))

    def first(self, each: Averaged, now: Tensor) -> Tensor:
        """With what an average begins: what a state said, or the value now."""
        begun = now.clone()
        return begun.copy_(self.waiting.pop(each.name)) if each.name in self.waiting else begun

    def update(self, moment: Moment) -> None:
        """Take the weights of this step in."""
        for index, (bucket, found) in enumerate(zip(self.buckets, self.sums, strict=True)):
            keywords, weights, values = bucket.keywords(moment), wide(bucket), self.values[index]
            if (values[0].device, values[0].dtype) != (weights[0].device, weights[0].dtype):  # the model was moved
                values = self.values[index] = [a.to(w) for a, w in zip(values, weights, strict=True)]
            if found:
                moved = self.add_up(values, weights, *found.at(keywords))
            else:
                moved = self.update_each(values, weights, keywords)
            if moved is not None:
                put(bucket, moved)

    def add_up(
        self, values: list[Tensor], weights: list[Tensor], of_average: Sequence[float], of_weight: Sequence[float]
    ) -> list[Tensor] | None:
        """The formula for all at once, by the shares of average and weight; returns new weights, if it moves them."""
        moved = None
        if self.unit.moves_weights and tuple(of_weight) != (0.0, 1.0):
            moved = [each.clone() for each in weights]
            add_up(moved, values, of_weight[1], of_weight[0])
        add_up(values, weights, *of_average)
        return moved

    def update_each(self, values: list[Tensor], weights: list[Tensor], keywords: dict[str, Any]) -> list[Tensor] | None:
        """The formula for one after the other."""
        moved = []
        for a, w in zip(values, weights, strict=True):
            new_a, new_w = type(self.unit).torch(a, w, **keywords)
            moved.append(new_w.clone())
            a.copy_(new_a)
        return moved if self.unit.moves_weights else None

    def put_in(self) -> None:
        """Put the averages into the model."""
        for bucket, values in zip(self.buckets, self.values, strict=True):
            put(bucket, values)

    def is_in(self) -> bool:
        """Whether the averages are what is in the model."""
        return all(
            torch.equal(each.tensor, value.to(each.tensor))
            for bucket, values in zip(self.buckets, self.values, strict=True)
            for each, value in zip(bucket.targets, values, strict=True)
        )

    def take(self) -> None:
        """Let the averages be what is in the model."""
        for bucket, values in zip(self.buckets, self.values, strict=True):
            torch._foreach_copy_(values, [each.tensor for each in bucket.targets])

    def state_dict(self) -> dict[str, Tensor]:
        """The averages by name."""
        found = {
            each.name: value for several, values in self.pairs() for each, value in zip(several, values, strict=True)
        }
        return {**self.waiting, **found}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take averages by name; what the state knows nothing of was not trained yet, and is what it is now."""
        self.waiting = {name: each.clone() for name, each in state.items()}
        for several, values in self.pairs():
            for each, value in zip(several, values, strict=True):
                value.copy_(self.waiting.pop(each.name, each.tensor))


def wide(bucket: Bucket[Averaged]) -> list[Tensor]:
    """The values of parameters and statistics, in float32 or better."""
    return [each if each.dtype.itemsize >= 4 else each.to(at_least_float32(each.dtype)) for each in bucket.tensors()]


def put(bucket: Bucket[Averaged], values: list[Tensor]) -> None:
    """Put values into the model."""
    torch._foreach_copy_([each.tensor for each in bucket.targets], values)
