"""A block's regularizers, the same kind of several recipes at a time, with their knobs as arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, TypeVar

import torch
from torch import Tensor

from bridle.acting import Parameter, Site, check_sites, selected, standing, stands_at
from bridle.engine.precision import Precision
from bridle.engine.value_names import ValueName
from bridle.places import ActivityLoss, Layer, WeightLayer
from bridle.places.declare import Placed, Start
from bridle.places.forward import ForwardRegularizer
from bridle.recipe import Recipe

Unit = TypeVar("Unit", bound=Placed)


class KnobTensors:
    """The numeric knobs of regularizers of one type, one per recipe, and the words that their formula takes.

    A knob that changes over the training is made anew for every moment, the others once.
    """

    def __init__(self, regularizers: Sequence[Placed], names: tuple[str, ...], precision: Precision, axes: int) -> None:
        self.regularizers, self.names, self.precision, self.axes = tuple(regularizers), names, precision, axes
        self.scheduled = any(each.is_scheduled for each in regularizers)
        self.moment = -1.0
        self.cached: dict[str, Tensor] = {}
        self.text_knobs = regularizers[0].words_in_formula()

    def at(self, passed: float) -> dict[str, Any]:
        """Each knob after a share ``passed`` of the training: (1, recipes, 1, ...), ready to broadcast over a grid."""
        if not self.cached or (self.scheduled and passed != self.moment):
            values = [each.numbers(*self.names, passed=passed) for each in self.regularizers]
            self.cached = {name: self.tensor([each[name] for each in values]) for name in values[0]}
            self.moment = passed
        return {**self.cached, **self.text_knobs}

    def tensor(self, values: list[float]) -> Tensor:
        """One number per recipe, with ``axes`` ones behind."""
        made = torch.tensor(values, dtype=self.precision.weights, device=self.precision.device)
        return made.view(1, -1, *[1] * self.axes)


class Placement(ABC):
    """A regularizer of the forward pass in a block, whose parameters and state have names there."""

    layer: ForwardRegularizer

    @abstractmethod
    def value_name(self, kind: str) -> ValueName:
        """Return the block's name of a parameter or state."""

    @cached_property
    def parameter_names(self) -> list[ValueName]:
        """The block's names of its parameters."""
        return [self.value_name(kind) for kind in self.layer.parameters]

    @cached_property
    def state_names(self) -> list[ValueName]:
        """The block's names of the fields of its state."""
        return [self.value_name(kind) for kind in self.layer.state._fields]

    @property
    def starts(self) -> tuple[list[tuple[ValueName, Start]], list[tuple[ValueName, Start]]]:
        """Names and starts: of the parameters, of the state."""
        parameters, state = self.layer.parameters.values(), self.layer.state
        return (
            list(zip(self.parameter_names, parameters, strict=True)),
            list(zip(self.state_names, state, strict=True)),
        )


@dataclass(frozen=True)
class PlacedLayer(Placement):
    """One layer of each recipe of a block, all of one type, at one site."""

    layer: Layer
    site: Site
    name: str
    spot: int  # the first of its noise
    knobs: KnobTensors

    @property
    def axes(self) -> int:
        """The number of axes of what it acts on."""
        return 4 if self.layer.maps else 2

    def value_name(self, kind: str) -> ValueName:
        """Return the block's name of a parameter or state: that of the module's own, `norm1.weight`."""
        return ValueName(f"{self.name}.{kind}")


@dataclass(frozen=True)
class PlacedWeight(Placement):
    """One weight layer of each recipe of a block, all of one type, on one parameter."""

    layer: WeightLayer
    parameter: ValueName
    knobs: KnobTensors

    def value_name(self, kind: str) -> ValueName:
        """Return the block's name of a parameter or state of it, which is a field of the weight."""
        return self.parameter.field(self.layer, kind)


@dataclass(frozen=True)
class PlacedActivity:
    """One penalty on activations of each recipe of a block, all of one type, at one site."""

    unit: ActivityLoss
    site: Site
    knobs: KnobTensors


def place_layers(recipes: Sequence[Recipe], sites: Sequence[Site], precision: Precision) -> list[PlacedLayer]:
    """All layers of a block's recipes (which share a structure), in the order in which they act."""
    for recipe in recipes:
        check_sites(recipe, sites)
    placed = []
    for site in sites:
        for regularizers in zip(*(standing(recipe, site) for recipe in recipes), strict=True):
            first = regularizers[0]
            knobs = KnobTensors(
                [each.layer for each in regularizers], site.names, precision, 4 if first.layer.maps else 2
            )
            placed.append(PlacedLayer(first.layer, site, first.name, first.spot, knobs))
    return placed


def place_activities(recipes: Sequence[Recipe], sites: Sequence[Site], precision: Precision) -> list[PlacedActivity]:
    """All penalties on activations of a block's recipes."""
    return [
        PlacedActivity(regularizers[0], site, KnobTensors(regularizers, site.names, precision, 2))
        for regularizers in counterparts(recipes, ActivityLoss)
        for site in sites
        if stands_at(regularizers[0], site)
    ]


def place_weights(
    recipes: Sequence[Recipe], parameters: Sequence[Parameter], precision: Precision
) -> list[PlacedWeight]:
    """All weight layers of a block's recipes."""
    return [
        PlacedWeight(regularizers[0], ValueName(each.name), KnobTensors(regularizers, each.names, precision, 3))
        for regularizers in counterparts(recipes, WeightLayer)
        for each in selected(regularizers[0], parameters)
    ]


def counterparts(recipes: Sequence[Recipe], kind: type[Unit]) -> list[tuple[Unit, ...]]:
    """The regularizers of one type that all recipes of a block have, each with its counterparts."""
    return list(zip(*([each for each in recipe if isinstance(each, kind)] for recipe in recipes), strict=True))


def recipe_groups(recipes: Sequence[Recipe], kind: type[Unit]) -> Iterator[tuple[slice, list[Unit]]]:
    """Each type of regularizer of a kind, as the stretches of neighbouring recipes that have it.

    One that only some recipes use then touches only their slices of the arrays.
    """
    kinds: dict[tuple[type[Unit], tuple[str, ...]], dict[int, Unit]] = {}
    for index, recipe in enumerate(recipes):
        for each in recipe:
            if isinstance(each, kind):
                kinds.setdefault((type(each), tuple(each.settings(numbers=False).values())), {})[index] = each
    for users in kinds.values():
        for _, stretch in groupby(enumerate(users), key=lambda pair: pair[1] - pair[0]):
            indices = [index for _, index in stretch]
            yield slice(indices[0], indices[-1] + 1), [users[index] for index in indices]
