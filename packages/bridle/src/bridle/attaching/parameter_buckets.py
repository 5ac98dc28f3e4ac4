"""Trained parameters in buckets with equal knobs, so that keywords are computed once per bucket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, Generic, NamedTuple, TypeVar

from torch import Tensor

from bridle.acting import Parameter, selected
from bridle.attaching.trained_parameters import AveragedTensor, TrainedParameter
from bridle.attaching.training_progress import TrainingProgress
from bridle.places.declare import Placed
from bridle.schedules import PerLayer

Some = TypeVar("Some", bound=AveragedTensor)


STEP_INPUT_GETTERS: dict[str, Callable[[TrainingProgress, int], Any]] = {
    "step": lambda progress, group: progress.step,
    "steps": lambda progress, group: progress.steps,
    "lr": TrainingProgress.lr,
    "peak": TrainingProgress.peak,
}


class ParameterBucket(Generic[Some]):
    """Parameters on which a regularizer acts with equal knobs."""

    def __init__(self, unit: Placed, parameters: list[Some]) -> None:
        self.unit, self.parameters, self.group = unit, parameters, parameters[0].group
        self.step_inputs, self.scheduled = (
            [name for name in unit.step_inputs if name in STEP_INPUT_GETTERS],
            unit.is_scheduled,
        )
        self.own: dict[str, Any] = {}  # knobs and words of the moment
        self.heard: list[Any] | None = None  # what the formula was told the last time
        self.said: dict[str, Any] = {}  # both
        self.values: list[Tensor] = []
        self.places: list[int] = []

    def keywords(self, progress: TrainingProgress) -> dict[str, Any]:
        """Return the keyword arguments of the formula: the same object as long as nothing changes."""
        step_inputs = [STEP_INPUT_GETTERS[name](progress, self.group) for name in self.step_inputs]
        if self.scheduled or self.heard is None:
            self.own = self.unit.keywords(*self.parameters[0].described.names, passed=progress.passed)
        if self.scheduled or self.heard != step_inputs:
            self.said, self.heard = {**self.own, **dict(zip(self.step_inputs, step_inputs, strict=True))}, step_inputs
        return self.said

    def tensors(self) -> list[Tensor]:
        """Return the values of its parameters, without a graph."""
        places = [each.stored.data_ptr() for each in self.parameters]
        if places != self.places:  # the first time, or the model was moved
            self.values, self.places = [each.tensor for each in self.parameters], places
        return self.values


class ParametersWithGrad(NamedTuple):
    """The parameters with a gradient in this step; the others are skipped, as the optimizer skips them."""

    parameters: list[TrainedParameter]
    tensors: list[Tensor]
    gradients: list[Tensor]


def with_gradients(bucket: ParameterBucket[TrainedParameter]) -> ParametersWithGrad:
    """Return a bucket's parameters that have a gradient and are not frozen."""
    parameters, tensors = bucket.parameters, bucket.tensors()
    moves = [each.parameter.grad is not None and each.parameter.requires_grad for each in parameters]
    if not all(moves):
        parameters, tensors = list(compress(parameters, moves)), list(compress(tensors, moves))
    gradients = [gradient for each in parameters if (gradient := each.parameter.grad) is not None]
    return ParametersWithGrad(parameters, tensors, gradients)


def buckets(unit: Placed, parameters: Sequence[Some]) -> list[ParameterBucket[Some]]:
    """Group the parameters that a regularizer acts on by its knobs there; ``ValueError`` if there are none."""
    chosen = {each.name for each in selected(unit, [each.described for each in parameters])}
    by_numbers: dict[Any, list[Some]] = {}
    for each in parameters:
        if each.name in chosen:
            by_numbers.setdefault((each.group, values_at(unit, each.described)), []).append(each)
    return [ParameterBucket(unit, alike) for alike in by_numbers.values()]


def values_at(unit: Placed, described: Parameter) -> tuple[Any, ...]:
    """Return the values of a regularizer's numeric knobs at a parameter: numbers, or schedules."""
    values = unit.settings(numbers=True).values()
    return tuple(each.matching(described.names) if isinstance(each, PerLayer) else each for each in values)


def matching(unit: Placed, parameters: Sequence[TrainedParameter]) -> list[TrainedParameter]:
    """Return the parameters that a regularizer acts on; there may be none."""
    try:
        chosen = {*selected(unit, [each.described for each in parameters])} if parameters else {*()}
    except ValueError:
        return []
    return [each for each in parameters if each.described in chosen]
