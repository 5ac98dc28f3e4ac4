"""A block's regularizers, the same kind of several recipes at a time, with their knobs as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from bridle.acting import standing
from bridle.engine.feed import Noise
from bridle.engine.precision import Precision
from bridle.places import Layer
from bridle.recipe import Recipe, Regularizer


def column(values: Iterable[float], precision: Precision, axes: int) -> Tensor:
    """One number per recipe, as (1, recipes, 1, ...) with ``axes`` ones behind: ready to broadcast over a grid."""
    return torch.tensor(list(values), dtype=precision.weights, device=precision.device).view(1, -1, *[1] * axes)


def numbers(alike: Sequence[Regularizer], precision: Precision, axes: int) -> dict[str, Tensor]:
    """The numeric knobs of regularizers of one type, one per recipe, as columns."""
    names = alike[0].settings(numbers=True)
    return {name: column((getattr(each, name) for each in alike), precision, axes) for name in names}


@dataclass(frozen=True)
class PlacedLayer:
    """One layer of each recipe of a block, all of one type, at one site."""

    layer: Layer
    site: int
    name: str
    spot: int  # of its noise
    numbers: dict[str, Tensor]  # (1, recipes, 1, 1)

    def train(self, h: Tensor, values: dict[str, Tensor], noise: Noise, pick: Any) -> Tensor:
        """(seeds, recipes, batch, units) -> the same; new state is put into ``values``."""
        drawn = [noise.uniform(self.spot, *h.shape[2:])[pick][:, None]] if self.layer.draws_noise else []
        inputs = [values[f"{self.name}.{each}"] for each in (*self.layer.parameters, *self.layer.state)]
        out, *state = type(self.layer).torch(h, *drawn, *inputs, **self.numbers)
        for each, value in zip(self.layer.state, state, strict=True):
            values[f"{self.name}.{each}"] = value
        return out

    def evaluate(self, h: Tensor, values: dict[str, Tensor]) -> Tensor:
        """(seeds, recipes, rows, units) -> the same."""
        inputs = [values[f"{self.name}.{each}"] for each in (*self.layer.parameters, *self.layer.state)]
        out: Tensor = self.layer.evaluate(h, *inputs, **self.numbers)
        return out


def placed_layers(recipes: Sequence[Recipe], hidden: int, precision: Precision) -> list[PlacedLayer]:
    """All layers of a block's recipes (which share a structure), in the order in which they act."""
    return [
        PlacedLayer(
            alike[0].layer, site, alike[0].name, alike[0].spot, numbers([each.layer for each in alike], precision, 2)
        )
        for site in range(hidden + 1)
        for alike in zip(*(standing(recipe, site) for recipe in recipes), strict=True)
    ]


def contiguous_users(recipes: Sequence[Recipe], place: str) -> Iterator[tuple[slice, list[Regularizer]]]:
    """Each kind of regularizer at a place, as the stretches of neighbouring recipes that have it.

    A kind that only some recipes use then touches only their slices of the arrays.
    """
    kinds: dict[tuple[type[Regularizer], tuple[str, ...]], dict[int, Regularizer]] = {}
    for index, recipe in enumerate(recipes):
        for each in recipe.at(place):
            kinds.setdefault((type(each), tuple(each.settings(numbers=False).values())), {})[index] = each
    for users in kinds.values():
        for _, stretch in groupby(enumerate(users), key=lambda pair: pair[1] - pair[0]):
            indices = [index for _, index in stretch]
            yield slice(indices[0], indices[-1] + 1), [users[index] for index in indices]
