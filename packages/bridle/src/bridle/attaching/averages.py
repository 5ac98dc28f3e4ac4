"""Weight averages beside the trained weights: EMA, SWA, Lookahead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from bridle.attaching.linear_forms import LinearForm, axpby_, linear_formula
from bridle.attaching.parameter_buckets import ParameterBucket, make_buckets
from bridle.attaching.trained_parameters import AveragedBuffer, AveragedTensor, TrainedParameter
from bridle.attaching.training_progress import TrainingProgress
from bridle.places import Average
from bridle.places.matrices import at_least_float32

__all__ = ["WeightAverages"]


class WeightAverages:
    """The averages of one regularizer, in float32 or better: in less, small shares of new weights would be lost."""

    def __init__(
        self, unit: Average, parameters: Sequence[TrainedParameter], statistics: Sequence[AveragedBuffer]
    ) -> None:
        self.unit = unit
        self.statistics: list[AveragedTensor] = [] if unit.moves_weights else [*statistics]
        self.formula = linear_formula(unit)
        self.buckets: list[ParameterBucket[AveragedTensor]] = []
        self.values: list[list[Tensor]] = []
        self.pending: dict[str, Tensor] = {}  # of a state that was loaded, for parameters that are trained only later
        self.set_parameters(parameters)

    def set_parameters(self, parameters: Sequence[TrainedParameter]) -> None:
        """Average these parameters from now on; the average of a new one starts at its current value."""
        known = {each: value for pair in self.averaged() for each, value in zip(*pair, strict=True)}
        self.buckets = make_buckets(self.unit, [*parameters, *self.statistics])
        self.linear_forms = [LinearForm(*self.formula) if self.formula else None for _ in self.buckets]
        self.values = [
            [known[each] if each in known else self.initial_average(each, w) for each, w in zip(*pair, strict=True)]
            for pair in ((bucket.parameters, widened_values(bucket)) for bucket in self.buckets)
        ]

    def averaged(self) -> Iterator[tuple[list[AveragedTensor], list[Tensor]]]:
        """Yield, bucket by bucket, the averaged parameters and buffers with their averages."""
        return ((bucket.parameters, values) for bucket, values in zip(self.buckets, self.values, strict=True))

    def initial_average(self, each: AveragedTensor, current: Tensor) -> Tensor:
        """Return the initial average: the one of a loaded state, or the current value."""
        value = current.clone()
        return value.copy_(self.pending.pop(each.name)) if each.name in self.pending else value

    def update(self, progress: TrainingProgress) -> None:
        """Update the averages with the weights of this step."""
        for index, (bucket, linear_form) in enumerate(zip(self.buckets, self.linear_forms, strict=True)):
            keywords, weights, values = bucket.keywords(progress), widened_values(bucket), self.values[index]
            if (values[0].device, values[0].dtype) != (weights[0].device, weights[0].dtype):  # the model was moved
                values = self.values[index] = [a.to(w) for a, w in zip(values, weights, strict=True)]
            if linear_form:
                moved = self.update_together(values, weights, *linear_form.coefficients(keywords))
            else:
                moved = self.update_each(values, weights, keywords)
            if moved is not None:
                put(bucket, moved)

    def update_together(
        self, values: list[Tensor], weights: list[Tensor], of_average: Sequence[float], of_weight: Sequence[float]
    ) -> list[Tensor] | None:
        """Update all averages of a bucket in one call; return the new weights if the formula moves them."""
        moved = None
        if self.unit.moves_weights and tuple(of_weight) != (0.0, 1.0):
            moved = [each.clone() for each in weights]
            axpby_(moved, values, of_weight[1], of_weight[0])
        axpby_(values, weights, *of_average)
        return moved

    def update_each(self, values: list[Tensor], weights: list[Tensor], keywords: dict[str, Any]) -> list[Tensor] | None:
        """Update the averages of a bucket one by one; return the new weights if the formula moves them."""
        moved = []
        for a, w in zip(values, weights, strict=True):
            new_a, new_w = type(self.unit).torch(a, w, **keywords)
            moved.append(new_w.clone())
            a.copy_(new_a)
        return moved if self.unit.moves_weights else None

    def copy_to_model(self) -> None:
        """Copy the averages into the model."""
        for bucket, values in zip(self.buckets, self.values, strict=True):
            put(bucket, values)

    def equals_model(self) -> bool:
        """Return True if the model's weights equal the averages."""
        return all(
            torch.equal(each.tensor, value.to(each.tensor))
            for bucket, values in zip(self.buckets, self.values, strict=True)
            for each, value in zip(bucket.parameters, values, strict=True)
        )

    def copy_from_model(self) -> None:
        """Reset the averages to the model's current weights."""
        for bucket, values in zip(self.buckets, self.values, strict=True):
            torch._foreach_copy_(values, [each.tensor for each in bucket.parameters])

    def state_dict(self) -> dict[str, Tensor]:
        """Return the averages by name."""
        averages = {each.name: value for pair in self.averaged() for each, value in zip(*pair, strict=True)}
        return {**self.pending, **averages}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Load averages by name; one that the state lacks was not trained then, and starts at its current value."""
        self.pending = {name: each.clone() for name, each in state.items()}
        for members, values in self.averaged():
            for each, value in zip(members, values, strict=True):
                value.copy_(self.pending.pop(each.name, each.tensor))


def widened_values(bucket: ParameterBucket[AveragedTensor]) -> list[Tensor]:
    """Return the values of a bucket's parameters and buffers, in float32 or better."""
    return [each if each.dtype.itemsize >= 4 else each.to(at_least_float32(each.dtype)) for each in bucket.tensors()]


def put(bucket: ParameterBucket[AveragedTensor], values: list[Tensor]) -> None:
    """Copy values into the model."""
    torch._foreach_copy_([each.tensor for each in bucket.parameters], values)
