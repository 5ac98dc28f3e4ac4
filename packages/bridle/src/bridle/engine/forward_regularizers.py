"""The regularizers in a block's forward pass: layers, weight layers and penalties on activations, and their places."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bridle.engine.knob_tensors import KnobTensors, counterparts
from bridle.engine.precision import Precision
from bridle.engine.value_names import ValueName
from bridle.parameter_selection import Parameter, layer_weights
from bridle.places import ActivityLoss, Layer, WeightLayer
from bridle.places.base import Start
from bridle.places.forward import ForwardRegularizer
from bridle.recipe import Recipe
from bridle.sites import Site, acts_at, check_sites, layers_at

__all__ = ["PlacedActivity", "PlacedLayer", "PlacedWeight", "place_activities", "place_layers", "place_weights"]


class ForwardPlacement(ABC):
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
class PlacedLayer(ForwardPlacement):
    """One layer of each recipe of a block, all of one type, at one site."""

    layer: Layer
    site: Site
    name: str
    stream_id: int  # the first of its noise
    knobs: KnobTensors

    def value_name(self, kind: str) -> ValueName:
        """Return the block's name of a parameter or state: that of the module's own, `norm1.weight`."""
        return ValueName(f"{self.name}.{kind}")


@dataclass(frozen=True)
class PlacedWeight(ForwardPlacement):
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
    """Place all layers of a block's recipes (which share a structure), in the order in which they act."""
    for recipe in recipes:
        check_sites(recipe, sites)
    placed = []
    for site in sites:
        for regularizers in zip(*(layers_at(recipe, site) for recipe in recipes), strict=True):
            first = regularizers[0]
            knobs = KnobTensors(
                [each.layer for each in regularizers], site.names, precision, 4 if first.layer.maps else 2
            )
            placed.append(PlacedLayer(first.layer, site, first.name, first.stream_id, knobs))
    return placed


def place_activities(recipes: Sequence[Recipe], sites: Sequence[Site], precision: Precision) -> list[PlacedActivity]:
    """Place all penalties on activations of a block's recipes."""
    return [
        PlacedActivity(regularizers[0], site, KnobTensors(regularizers, site.names, precision, 2))
        for regularizers in counterparts(recipes, ActivityLoss)
        for site in sites
        if acts_at(regularizers[0], site)
    ]


def place_weights(
    recipes: Sequence[Recipe], parameters: Sequence[Parameter], precision: Precision
) -> list[PlacedWeight]:
    """Place all weight layers of a block's recipes."""
    return [
        PlacedWeight(regularizers[0], ValueName(each.name), KnobTensors(regularizers, each.names, precision, 3))
        for regularizers in counterparts(recipes, WeightLayer)
        for each in layer_weights(regularizers[0], parameters)
    ]
