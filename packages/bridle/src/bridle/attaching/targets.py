"""What acts on parameters, and on which: the user's own parameters as regularizers see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from bridle.acting import Parameter, describe, selected
from bridle.attaching.frame import transposed_groups
from bridle.places.declare import Placed
from bridle.places.module import as_matrix, as_stored, at_least_float32
from bridle.schedules import LAST, PerLayer
from bridle_audit.kinds import owner_of


@dataclass(frozen=True, eq=False)
class Target:
    """A parameter that requires a gradient and is in the optimizer; one that several layers share is one."""

    described: Parameter
    parameter: nn.Parameter
    group: int  # of the optimizer
    transposed: int = 0  # the groups whose outputs are on the second axis; 0 where all outputs are on the first
    padding: int | None = None  # the row of an embedding that is no word, and rests

    @property
    def name(self) -> str:
        """As the model called it before anything was attached."""
        return self.described.name

    @property
    def stored(self) -> Tensor:
        """What the model has registered."""
        return self.parameter

    @property
    def tensor(self) -> Tensor:
        """Its value, without a graph."""
        return self.parameter.detach()

    @property
    def wide(self) -> Tensor:
        """Its value in float32 or better: in less, the squares of a formula would leave the range of numbers."""
        return widened(self.tensor)

    def subject(self, tensor: Tensor, *, matrix: bool) -> Tensor:
        """The parameter, or what has its shape, as a formula takes it: as it is, or (outputs, inputs, positions)."""
        return as_matrix(tensor, transposed=self.transposed) if matrix else tensor

    def change(self, tensor: Tensor, *, matrix: bool, formula: Callable[[Tensor], Any]) -> Any:
        """Let a formula write into the parameter, or into its gradient; returns what the formula returns.

        It is given float32 or better, and what it writes is rounded once.
        """
        subject = self.subject(widened(tensor), matrix=matrix)
        result = formula(subject)
        if subject.data_ptr() != tensor.data_ptr():  # there was no view of it in this shape or type
            tensor.copy_(as_stored(subject, tensor, transposed=self.transposed))
        return result

    @cached_property
    def fan_in(self) -> float:
        """How many inputs one unit has."""
        return float(self.subject(self.tensor, matrix=True)[0].numel())


class Found(NamedTuple):
    """A parameter before it is known which group of the optimizer it is in."""

    described: Parameter
    parameter: nn.Parameter
    transposed: int = 0
    padding: int | None = None

    def in_group(self, group: int) -> Target:
        """The same once it is."""
        return Target(self.described, self.parameter, group, self.transposed, self.padding)


def found_at(modules: Mapping[str, nn.Module], name: str, parameter: nn.Parameter, padding: Mapping[int, int]) -> Found:
    """A parameter of a model whose modules have these names; ``padding`` are rows of embeddings that are no words."""
    transposed = transposed_groups(modules[owner_of(modules, name)]) if parameter.ndim > 1 else 0
    return Found(describe(modules, name, parameter), parameter, transposed, padding.get(id(parameter)))


@dataclass(frozen=True, eq=False)
class Statistic:
    """A buffer of numbers, such as a running mean, which averages take in. It may be moved: it is looked up by name."""

    described: Parameter
    part: nn.Module
    kind: str
    group: int = 0

    @property
    def name(self) -> str:
        """As the model calls it."""
        return self.described.name

    @property
    def stored(self) -> Tensor:
        """What the model has registered."""
        found = self.part._buffers[self.kind]
        assert found is not None
        return found

    @property
    def tensor(self) -> Tensor:
        """Its value."""
        return self.stored


Averaged = Target | Statistic
Some = TypeVar("Some", bound=Averaged)


def statistics_of(model: nn.Module) -> list[Statistic]:
    """The model's buffers that are numbers and are saved, the recipe's running statistics among them."""
    found: dict[int, Statistic] = {}
    for whose, part in model.named_modules():
        for kind, buffer in part._buffers.items():
            if buffer is not None and buffer.is_floating_point() and kind not in part._non_persistent_buffers_set:
                name = f"{whose}.{kind}" if whose else kind
                found.setdefault(id(buffer), Statistic(Parameter(name, buffer.ndim), part, kind))
    return list(found.values())


class Moment:
    """Where in the training the step to come is, and the learning rates of the optimizer's groups."""

    def __init__(self, optimizer: torch.optim.Optimizer, steps: int | None) -> None:
        self.optimizer, self.steps = optimizer, steps
        self.step = 0  # steps that are done
        self.peaks: dict[int, float] = {}  # by group: the highest learning rate so far

    @property
    def passed(self) -> float:
        """The share of the training that is over; it stays below 1, however long the user goes on."""
        return 0.0 if self.steps is None else min(self.step / self.steps, LAST)

    def lr(self, group: int) -> float:
        """The learning rate of a group."""
        return float(self.optimizer.param_groups[group]["lr"])

    def peak(self, group: int) -> float:
        """The highest one that it has had, or that its schedule started from."""
        first = float(self.optimizer.param_groups[group].get("initial_lr", 0.0))
        self.peaks[group] = max(self.peaks.get(group, 0.0), first, self.lr(group))
        return self.peaks[group]


TELLS: dict[str, Callable[[Moment, int], Any]] = {
    "step": lambda moment, group: moment.step,
    "steps": lambda moment, group: moment.steps,
    "lr": Moment.lr,
    "peak": Moment.peak,
}


class Bucket(Generic[Some]):
    """Parameters on which a regularizer acts with the same numbers."""

    def __init__(self, unit: Placed, targets: list[Some]) -> None:
        self.unit, self.targets, self.group = unit, targets, targets[0].group
        self.step_inputs, self.scheduled = [name for name in unit.step_inputs if name in TELLS], unit.is_scheduled
        self.own: dict[str, Any] = {}  # knobs and words of the moment
        self.heard: list[Any] | None = None  # what the formula was told the last time
        self.said: dict[str, Any] = {}  # both
        self.values: list[Tensor] = []
        self.places: list[int] = []

    def keywords(self, moment: Moment) -> dict[str, Any]:
        """Everything that the formula takes by name, at a moment: the same object as long as nothing changes."""
        step_inputs = [TELLS[name](moment, self.group) for name in self.step_inputs]
        if self.scheduled or self.heard is None:
            self.own = self.unit.keywords(*self.targets[0].described.names, passed=moment.passed)
        if self.scheduled or self.heard != step_inputs:
            self.said, self.heard = {**self.own, **dict(zip(self.step_inputs, step_inputs, strict=True))}, step_inputs
        return self.said

    def tensors(self) -> list[Tensor]:
        """The values of its parameters, without a graph."""
        places = [each.stored.data_ptr() for each in self.targets]
        if places != self.places:  # the first time, or the model was moved
            self.values, self.places = [each.tensor for each in self.targets], places
        return self.values


class Moving(NamedTuple):
    """Parameters that have a gradient in this step: the others are left alone, as the optimizer leaves them."""

    targets: list[Target]
    tensors: list[Tensor]
    gradients: list[Tensor]


def moving(bucket: Bucket[Target]) -> Moving:
    """Those of a bucket; what is frozen meanwhile is left alone, though it may have a gradient of zeros."""
    targets, tensors = bucket.targets, bucket.tensors()
    moves = [each.parameter.grad is not None and each.parameter.requires_grad for each in targets]
    if not all(moves):
        targets, tensors = list(compress(targets, moves)), list(compress(tensors, moves))
    gradients = [gradient for each in targets if (gradient := each.parameter.grad) is not None]
    return Moving(targets, tensors, gradients)


def widened(tensor: Tensor) -> Tensor:
    """A tensor in float32 or better; itself, if it is."""
    return tensor.to(at_least_float32(tensor.dtype))


@contextmanager
def padding_rests(targets: Sequence[Target], tensors: Sequence[Tensor]) -> Iterator[None]:
    """Within, the rows of embeddings that are no words may be changed: behind it they are what they were."""
    pairs = zip(targets, tensors, strict=True)
    kept = [(tensor, each.padding, tensor[each.padding].clone()) for each, tensor in pairs if each.padding is not None]
    yield
    for tensor, row, value in kept:
        tensor[row] = value


def buckets(unit: Placed, targets: Sequence[Some]) -> list[Bucket[Some]]:
    """The parameters that a regularizer acts on (``ValueError`` if there are none), by the numbers it takes there."""
    chosen = {each.name for each in selected(unit, [each.described for each in targets])}
    by_numbers: dict[Any, list[Some]] = {}
    for each in targets:
        if each.name in chosen:
            by_numbers.setdefault((each.group, values_at(unit, each.described)), []).append(each)
    return [Bucket(unit, alike) for alike in by_numbers.values()]


def values_at(unit: Placed, described: Parameter) -> tuple[Any, ...]:
    """What the number knobs of a regularizer hold at a parameter: numbers, or schedules."""
    values = unit.settings(numbers=True).values()
    return tuple(each.matching(described.names) if isinstance(each, PerLayer) else each for each in values)


def matching(unit: Placed, targets: Sequence[Target]) -> list[Target]:
    """The parameters that a regularizer acts on, of which there may be none."""
    try:
        chosen = {*selected(unit, [each.described for each in targets])} if targets else {*()}
    except ValueError:
        return []
    return [each for each in targets if each.described in chosen]
