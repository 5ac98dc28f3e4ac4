"""Regularizers on parameters and gradients, one parameter at a time: penalties, clipping, weight changes, averages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from bridle.engine.block import REESTIMATE, Block, ForwardContext
from bridle.engine.block_matrices import as_matrices, begin_all
from bridle.engine.knob_tensors import KnobTensors, recipe_groups
from bridle.engine.value_names import ValueName, Values
from bridle.noise_streams import first_stream_id
from bridle.parameter_selection import Parameter, matching_parameters
from bridle.places import Ascent, Average, Gradient, Loss, Weight
from bridle.places.base import Placed
from bridle.protocol import StepInfo
from bridle.training_rules import MEASURED_BATCH, with_optimizer_decay

__all__ = ["ParameterRegularizers"]

Unit = TypeVar("Unit", bound=Placed)


class ParameterTarget(NamedTuple):
    """A regularizer on one parameter: its name, the knobs of the recipes that have it, its first stream of noise."""

    name: ValueName
    knobs: KnobTensors
    stream_id: int


class RecipeGroup(NamedTuple, Generic[Unit]):
    """Neighbouring recipes that have the same type of regularizer, and the parameters that it acts on."""

    unit: Unit
    recipes: slice
    targets: list[ParameterTarget]
    active: list[int]  # those of the recipes in which it is not off


class ParameterRegularizers:
    """All regularizers of a block's recipes that act parameter by parameter."""

    def __init__(self, block: Block, optimizer: str, rates: Tensor | None = None) -> None:
        self.block = block
        self.rates = rates  # (recipes,): peaks, where recipes have their own; the step's is then that of a peak of 1
        self.recipes = [with_optimizer_decay(optimizer, recipe) for recipe in block.grid.recipes]
        self.losses = self.groups(Loss)
        self.ascents = self.groups(Ascent)
        self.gradients = self.groups(Gradient)
        self.weights = self.groups(Weight)
        self.averages = self.groups(Average)

    def groups(self, kind: type[Unit]) -> list[RecipeGroup[Unit]]:
        """Return the recipe groups of all regularizers of one kind."""
        described = self.block.parameter_descriptions()
        statistics = [Parameter(str(name), self.view(name).ndim - 2) for name in self.block.statistics]
        names = {str(name): name for name in (*self.block.parameters, *self.block.statistics)}
        found = []
        for recipes, alike in recipe_groups(self.recipes, kind):
            unit = alike[0]
            parameters = (
                averaged_parameters(unit, described, statistics)
                if isinstance(unit, Average)
                else matching_parameters(unit, described)
            )
            targets = []
            for each in parameters:
                name = names[each.name]
                axes = 3 if unit.matrix else self.view(name).ndim - 2
                knobs = KnobTensors(alike, each.names, self.block.precision, axes)
                targets.append(ParameterTarget(name, knobs, first_stream_id(unit, each.name)))
            active = [recipes.start + index for index, each in enumerate(alike) if not each.is_off]
            found.append(RecipeGroup(unit, recipes, targets, active))
        return found

    def view(self, name: ValueName) -> Tensor:
        """Return a parameter or state as (seeds, recipes, *shape)."""
        values = self.block.parameters if name in self.block.parameters else self.block.state
        return self.block.grid_view(name, values[name].detach())

    def subject(self, group: RecipeGroup[Unit], name: ValueName, tensor: Tensor | None = None) -> Tensor:
        """Return the tensor that the formula acts on: the group's part of a parameter or of its gradient, a view."""
        whole = self.view(name) if tensor is None else self.block.grid_view(name, tensor)
        part = whole[:, group.recipes]
        return as_matrices(part) if group.unit.matrix else part

    def initialize_state(self, values: Values) -> None:
        """Initialize the state kept for parameters: initial weights, states of penalties, averages."""
        block = self.block
        for group in self.losses:
            for target in group.targets:
                for each in group.unit.extra_inputs:  # the initial weight is the only one that there is
                    self.set_state(target.name.copy(each), values, self.view(target.name))
                for name, start in zip(state_names(group.unit, target), group.unit.state, strict=True):
                    self.set_state(name, values, begin_all(start, as_matrices(self.view(target.name))))
        for averaging in self.averages:
            for target in averaging.targets:
                self.set_state(average_name(averaging.unit, target), values, self.view(target.name))
        block.state = {name: value.detach() for name, value in block.state.items()}

    def set_state(self, name: ValueName, values: Values, first: Tensor) -> None:
        """Set one value of the state: as it was, or as it begins."""
        value = values.get(name)
        self.block.state[name] = self.block.from_grid(name, first if value is None else value)

    def add_penalty_gradients(self, gradients: Values) -> None:
        """Add the penalties' gradients to those of the data loss, in place."""
        for group in self.losses:
            for target in group.targets:
                g = self.subject(group, target.name, gradients[target.name])
                w, extra, state = self.loss_arguments(group, target)
                new = group.unit.call_add_gradient(g, w, extra, state, target.knobs.at(self.block.passed))
                for kept, value in zip(state, new, strict=True):
                    kept.copy_(value)

    def loss_arguments(
        self, group: RecipeGroup[Loss], target: ParameterTarget
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Return the weight, a penalty's extra inputs, and views of its state."""
        extra = [self.subject(group, target.name.copy(each)) for each in group.unit.extra_inputs]
        state = [self.view(name)[:, group.recipes] for name in state_names(group.unit, target)]
        return self.subject(group, target.name), extra, state

    def total_penalty(self) -> Tensor:
        """Sum all penalties on parameters of each variant, (seeds, recipes)."""
        block = self.block
        shape = (len(block.grid.seeds), len(block.grid.recipes))
        total = torch.zeros(shape, dtype=block.precision.weights, device=block.precision.device)
        for group in self.losses:
            for target in group.targets:
                knobs = target.knobs.at(block.passed)
                words = {name: value for name, value in knobs.items() if isinstance(value, str)}
                numbers = {name: value.flatten() for name, value in knobs.items() if isinstance(value, Tensor)}

                one = partial(penalty_of_one, group.unit, words)
                over_grid = torch.func.vmap(torch.func.vmap(one), in_dims=(0, 0, 0, None))
                total[:, group.recipes] += over_grid(*self.loss_arguments(group, target), numbers)
        return total

    @contextmanager
    def at_ascent_point(self, gradients: Values) -> Iterator[None]:
        """Move the parameters to where the second gradient is to be taken, for a while."""
        kept: Values = {}
        for group in self.ascents:
            weights = [self.subject(group, target.name) for target in group.targets]
            slopes = [self.subject(group, target.name, gradients[target.name]) for target in group.targets]
            knobs = [target.knobs.at(self.block.passed) for target in group.targets]
            measured = [
                group.unit.measure(w, g, **numbers) for w, g, numbers in zip(weights, slopes, knobs, strict=True)
            ]
            norm = global_norm(measured)
            for target, w, g, numbers in zip(group.targets, weights, slopes, knobs, strict=True):
                kept.setdefault(target.name, self.block.parameters[target.name].detach().clone())
                w.copy_(group.unit.torch(w, g, broadcast_norm(norm, g), **numbers))
        yield
        for name, value in kept.items():
            self.block.parameters[name].detach().copy_(value)

    def change_gradients(self, gradients: Values, context: ForwardContext, step_info: StepInfo) -> None:
        """Clip, center, add noise: in place, in the order of the recipe."""
        for group in self.gradients:
            subjects = [self.subject(group, target.name, gradients[target.name]) for target in group.targets]
            norm = global_norm(subjects) if "norm" in group.unit.extra_inputs else None
            for target, g in zip(group.targets, subjects, strict=True):
                extra = {
                    "weight": self.subject(group, target.name),
                    "norm": None if norm is None else broadcast_norm(norm, g),
                }
                group.unit.torch(
                    g,
                    *context.draw(group.unit.noise, target.stream_id, g.shape[2:]),
                    *(extra[each] for each in group.unit.extra_inputs),
                    **target.knobs.at(self.block.passed),
                    **self.step_arguments(group, step_info, g.ndim),
                    out=g,
                )

    def change_weights(self, context: ForwardContext, step_info: StepInfo, *, after_update: bool) -> None:
        """Decay and shrink before the optimizer's update; project and threshold behind it: in place."""
        for group in self.weights:
            if group.unit.after_update != after_update:
                continue
            for target in group.targets:
                w = self.subject(group, target.name)
                extra = [float(as_matrices(w)[0, 0, 0].numel())] * ("fan_in" in group.unit.extra_inputs)
                group.unit.torch(
                    w,
                    *context.draw(group.unit.noise, target.stream_id, w.shape[2:]),
                    *extra,
                    **target.knobs.at(self.block.passed),
                    **self.step_arguments(group, step_info, w.ndim),
                    out=w,
                )

    def update_averages(self, step_info: StepInfo) -> None:
        """Take the weights of this step into the averages."""
        for group in self.averages:
            for target in group.targets:
                a, w = self.subject(group, average_name(group.unit, target)), self.subject(group, target.name)
                knobs = target.knobs.at(self.block.passed)
                numbers = self.step_arguments(group, step_info, w.ndim)
                new_a, new_w = type(group.unit).torch(a, w, **knobs, **numbers)
                a.copy_(new_a)
                if group.unit.moves_weights:
                    w.copy_(new_w)

    def step_arguments(self, group: RecipeGroup[Unit], step_info: StepInfo, axes: int) -> dict[str, float | Tensor]:
        """Return the step's numbers that a formula takes, learning rates as (1, recipes, 1, ...) where they differ."""
        found: dict[str, float | Tensor] = {
            name: value for name, value in step_info._asdict().items() if name in group.unit.step_inputs
        }
        if self.rates is not None:
            rates = self.rates[group.recipes].view(1, -1, *[1] * (axes - 2))
            found |= {name: found[name] * rates for name in ("lr", "peak") if name in found}
        return found

    @contextmanager
    def final_values(self, rows: Tensor) -> Iterator[None]:
        """Put what the recipes would hand over now into the block for a while: averages where there are any.

        ``rows`` (rows, ...) of the training data are those on which running statistics are measured anew for weights
        that were never trained with any.
        """
        values: Values = {}
        for group in self.averages:
            for target in group.targets:
                if target.name not in values:
                    own = self.block.parameters.get(target.name, self.block.state.get(target.name))
                    assert own is not None
                    values[target.name] = own.detach().clone()
                into = self.block.grid_view(target.name, values[target.name])[:, group.recipes]
                into.copy_(self.subject(group, average_name(group.unit, target)))
        with self.block.temporary_values(values):
            anew = [index for group in self.averages if group.unit.reestimates for index in group.active]
            if anew and self.block.statistics:
                for name, value in self.reestimated_statistics(rows).items():
                    into, fresh = (self.block.grid_view(name, each) for each in (self.block.state[name], value))
                    into[:, anew] = fresh[:, anew]
            yield

    @torch.no_grad()
    def reestimated_statistics(self, rows: Tensor) -> Values:
        """Measure running statistics for the weights as they are: the mean of those of each batch of the rows."""
        block = self.block
        kept = {name: block.state[name] for name in block.statistics}
        parts = [part for part in torch.split(rows, MEASURED_BATCH) if len(part) > 1]
        totals = {name: torch.zeros_like(value) for name, value in kept.items()}
        for part in parts:
            every_seed = part.flatten(1).expand(len(block.grid.seeds), 1, len(part), -1)
            block.forward(every_seed, ForwardContext(REESTIMATE))
            totals = {name: total + block.state[name] for name, total in totals.items()}
        block.state.update(kept)
        return {name: total / len(parts) for name, total in totals.items()}


def averaged_parameters(unit: Average, parameters: list[Parameter], statistics: list[Parameter]) -> list[Parameter]:
    """Return the values that are averaged: one that moves the weights leaves running statistics to the network."""
    return parameters if unit.moves_weights else [*parameters, *statistics]


def penalty_of_one(  # noqa: PLR0917  (vmap maps positional arguments)
    unit: Loss, words: dict[str, str], w: Tensor, extra: list[Tensor], state: list[Tensor], numbers: dict[str, Tensor]
) -> Tensor:
    """Return the penalty of one variant on one parameter."""
    return unit.call_torch(w, extra, state, {**numbers, **words})[0]


def state_names(unit: Loss, target: ParameterTarget) -> list[ValueName]:
    """Return the block's names of the fields of a penalty's state."""
    return [target.name.field(unit, field) for field in unit.state._fields]


def average_name(unit: Average, target: ParameterTarget) -> ValueName:
    """Return the block's name of the average of a value."""
    return target.name.copy(type(unit).__name__)


def global_norm(tensors: Sequence[Tensor]) -> Tensor:
    """Return the length of all tensors together, of each variant: (seeds, recipes)."""
    together: Tensor = torch.linalg.vector_norm(torch.stack([tensor_norm(each) for each in tensors]), dim=0)
    return together


def tensor_norm(tensor: Tensor) -> Tensor:
    """Return each variant's length of one tensor; first along the axis closest in memory, so that nothing is copied."""
    if tensor.ndim == 2:
        return tensor.abs()
    closest = min(range(2, tensor.ndim), key=tensor.stride)
    along = torch.linalg.vector_norm(tensor, dim=closest, keepdim=True)
    whole: Tensor = torch.linalg.vector_norm(along.flatten(2), dim=2)
    return whole


def broadcast_norm(norm: Tensor, subject: Tensor) -> Tensor:
    """Return a norm (seeds, recipes) with as many axes as the subject."""
    return norm[(..., *[None] * (subject.ndim - 2))]
