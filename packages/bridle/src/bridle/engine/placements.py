"""A block's regularizers, the same kind of several recipes at a time, with their knobs as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from bridle.acting import Parameter, Site, check_sites, selected, standing, stands_at
from bridle.engine.precision import Precision
from bridle.places import ActivityLoss, Layer, WeightLayer
from bridle.places.declare import Placed
from bridle.recipe import Recipe, Regularizer


class Columns:
    """The numeric knobs of regularizers of one type, one per recipe, and the words that their formula is told.

    A knob that changes over the training is made anew for every moment, the others once.
    """

    def __init__(self, alike: Sequence[Regularizer], where: tuple[str, ...], precision: Precision, axes: int) -> None:
        self.alike, self.where, self.precision, self.axes = tuple(alike), where, precision, axes
        self.scheduled = any(each.is_scheduled for each in alike)
        self.moment = -1.0
        self.cached: dict[str, Tensor] = {}
        told = getattr(alike[0], "told", ())
        self.words = {name: word for name, word in alike[0].settings(numbers=False).items() if name in told}

    def at(self, passed: float) -> dict[str, Any]:
        """Each knob after a share ``passed`` of the training: (1, recipes, 1, ...), ready to broadcast over a grid."""
        if not self.cached or (self.scheduled and passed != self.moment):
            values = [each.numbers(*self.where, passed=passed) for each in self.alike]
            self.cached = {name: self.column([each[name] for each in values]) for name in values[0]}
            self.moment = passed
        return {**self.cached, **self.words}

    def column(self, values: list[float]) -> Tensor:
        """One number per recipe, with ``axes`` ones behind."""
        made = torch.tensor(values, dtype=self.precision.weights, device=self.precision.device)
        return made.view(1, -1, *[1] * self.axes)


@dataclass(frozen=True)
class PlacedLayer:
    """One layer of each recipe of a block, all of one type, at one site."""

    layer: Layer
    site: Site
    name: str
    spot: int  # the first of its noise
    columns: Columns

    @property
    def axes(self) -> int:
        """Those of what it acts on."""
        return 4 if self.layer.maps else 2


@dataclass(frozen=True)
class PlacedWeight:
    """One weight layer of each recipe of a block, all of one type, on one parameter."""

    layer: WeightLayer
    parameter: str
    columns: Columns

    def named(self, kind: str) -> str:
        """What the block calls a parameter or state of it; its layout is the plain one (see Block)."""
        return f"{self.parameter}@{type(self.layer).__name__}.{kind}"


@dataclass(frozen=True)
class PlacedActivity:
    """One penalty on activations of each recipe of a block, all of one type, at one site."""

    unit: ActivityLoss
    site: Site
    columns: Columns


def placed_layers(recipes: Sequence[Recipe], sites: Sequence[Site], precision: Precision) -> list[PlacedLayer]:
    """All layers of a block's recipes (which share a structure), in the order in which they act."""
    for recipe in recipes:
        check_sites(recipe, sites)
    placed = []
    for site in sites:
        for alike in zip(*(standing(recipe, site) for recipe in recipes), strict=True):
            first = alike[0]
            columns = Columns([each.layer for each in alike], site.names, precision, 4 if first.layer.maps else 2)
            placed.append(PlacedLayer(first.layer, site, first.name, first.spot, columns))
    return placed


def placed_activities(recipes: Sequence[Recipe], sites: Sequence[Site], precision: Precision) -> list[PlacedActivity]:
    """All penalties on activations of a block's recipes."""
    return [
        PlacedActivity(alike[0], site, Columns(alike, site.names, precision, 2))
        for alike in of_type(recipes, ActivityLoss)
        for site in sites
        if stands_at(alike[0], site)
    ]


def placed_weights(
    recipes: Sequence[Recipe], parameters: Sequence[Parameter], precision: Precision
) -> list[PlacedWeight]:
    """All weight layers of a block's recipes."""
    return [
        PlacedWeight(alike[0], each.name, Columns(alike, each.names, precision, 3))
        for alike in of_type(recipes, WeightLayer)
        for each in selected(alike[0], parameters)
    ]


def of_type(recipes: Sequence[Recipe], kind: type[Any] | tuple[type[Any], ...]) -> list[tuple[Any, ...]]:
    """The regularizers of one type that all recipes of a block have, each with its counterparts."""
    return list(zip(*([each for each in recipe if isinstance(each, kind)] for recipe in recipes), strict=True))


def contiguous_users(recipes: Sequence[Recipe], kind: type[Placed]) -> Iterator[tuple[slice, list[Any]]]:
    """Each type of regularizer of a kind, as the stretches of neighbouring recipes that have it.

    One that only some recipes use then touches only their slices of the arrays.
    """
    kinds: dict[tuple[type[Regularizer], tuple[str, ...]], dict[int, Regularizer]] = {}
    for index, recipe in enumerate(recipes):
        for each in recipe:
            if isinstance(each, kind):
                kinds.setdefault((type(each), tuple(each.settings(numbers=False).values())), {})[index] = each
    for users in kinds.values():
        for _, stretch in groupby(enumerate(users), key=lambda pair: pair[1] - pair[0]):
            indices = [index for _, index in stretch]
            yield slice(indices[0], indices[-1] + 1), [users[index] for index in indices]
