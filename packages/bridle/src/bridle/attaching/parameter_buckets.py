"""Trained parameters in buckets with equal knobs, so that keywords are computed once per bucket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, Generic, NamedTuple, TypeVar

from torch import Tensor

from bridle.attaching.trained_parameters import AveragedTensor, TrainedParameter
from bridle.attaching.training_progress import TrainingProgress
from bridle.parameter_selection import Parameter, matching_parameters
from bridle.places.base import Placed
from bridle.schedules import PerLayer

__all__ = [
    "ParameterBucket",
    "ParametersWithGrad",
    "knob_values",
    "make_buckets",
    "select_parameters",
    "with_gradients",
]

Member = TypeVar("Member", bound=AveragedTensor)

STEP_INPUT_GETTERS: dict[str, Callable[[TrainingProgress, int], Any]] = {
    "step": lambda progress, group: progress.step,
    "steps": lambda progress, group: progress.steps,
    "lr": TrainingProgress.lr,
    "peak": TrainingProgress.peak,
}


class ParameterBucket(Generic[Member]):
    """Parameters on which a regularizer acts with equal knobs."""

    def __init__(self, unit: Placed, parameters: list[Member]) -> None:
        self.unit, self.parameters, self.group = unit, parameters, parameters[0].group
        self.step_inputs = [name for name in unit.step_inputs if name in STEP_INPUT_GETTERS]
        self.scheduled = unit.is_scheduled
        self.knobs: dict[str, Any] = {}
        self.last_step_inputs: list[Any] | None = None
        self.cached_keywords: dict[str, Any] = {}
        self.values: list[Tensor] = []
        self.pointers: list[int] = []

    def keywords(self, progress: TrainingProgress) -> dict[str, Any]:
        """Return the keyword arguments of the formula: the same object as long as nothing changes."""
        step_inputs = [STEP_INPUT_GETTERS[name](progress, self.group) for name in self.step_inputs]
        if self.scheduled or self.last_step_inputs is None:
            self.knobs = self.unit.keywords(*self.parameters[0].described.names, passed=progress.passed)
        if self.scheduled or self.last_step_inputs != step_inputs:
            self.cached_keywords = {**self.knobs, **dict(zip(self.step_inputs, step_inputs, strict=True))}
            self.last_step_inputs = step_inputs
        return self.cached_keywords

    def tensors(self) -> list[Tensor]:
        """Return the values of its parameters, without a graph."""
        pointers = [each.stored.data_ptr() for each in self.parameters]
        if pointers != self.pointers:  # the first time, or the model was moved
            self.values, self.pointers = [each.tensor for each in self.parameters], pointers
        return self.values


class ParametersWithGrad(NamedTuple):
    """The parameters with a gradient in this step; the others are skipped, as the optimizer skips them."""

    parameters: list[TrainedParameter]
    tensors: list[Tensor]
    gradients: list[Tensor]


def with_gradients(bucket: ParameterBucket[TrainedParameter]) -> ParametersWithGrad:
    """Return a bucket's parameters that have a gradient and are not frozen."""
    parameters, tensors = bucket.parameters, bucket.tensors()
    has_gradient = [each.parameter.grad is not None and each.parameter.requires_grad for each in parameters]
    if not all(has_gradient):
        parameters, tensors = list(compress(parameters, has_gradient)), list(compress(tensors, has_gradient))
    gradients = [gradient for each in parameters if (gradient := each.parameter.grad) is not None]
    return ParametersWithGrad(parameters, tensors, gradients)


def make_buckets(unit: Placed, parameters: Sequence[Member]) -> list[ParameterBucket[Member]]:
    """Group the parameters that a regularizer acts on by its knobs there; ``ValueError`` if there are none."""
    chosen = {each.name for each in matching_parameters(unit, [each.described for each in parameters])}
    by_knobs: dict[tuple[int, tuple[Any, ...]], list[Member]] = {}
    for each in parameters:
        if each.name in chosen:
            by_knobs.setdefault((each.group, knob_values(unit, each.described)), []).append(each)
    return [ParameterBucket(unit, members) for members in by_knobs.values()]


def knob_values(unit: Placed, described: Parameter) -> tuple[Any, ...]:
    """Return the values of a regularizer's numeric knobs at a parameter: numbers, or schedules."""
    values = unit.settings(numbers=True).values()
    return tuple(each.lookup(described.names) if isinstance(each, PerLayer) else each for each in values)


def select_parameters(unit: Placed, parameters: Sequence[TrainedParameter]) -> list[TrainedParameter]:
    """Return the parameters that a regularizer acts on; there may be none."""
    try:
        chosen = {*matching_parameters(unit, [each.described for each in parameters])} if parameters else {*()}
    except ValueError:
        return []
    return [each for each in parameters if each.described in chosen]
