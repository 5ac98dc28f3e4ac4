"""The same regularizer in several recipes of a block: found in each, its knobs as one tensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypeVar

import torch
from torch import Tensor

from bridle.engine.precision import Precision
from bridle.places.base import Placed
from bridle.recipe import Recipe

__all__ = ["KnobTensors", "Knobs", "counterparts", "recipe_groups"]

Unit = TypeVar("Unit", bound=Placed)
Knobs = dict[str, Tensor | str]  # numbers as tensors, and the words that a formula takes


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

    def at(self, passed: float) -> Knobs:
        """Return each knob after a share ``passed`` of the training: (1, recipes, 1, ...), to broadcast over a grid."""
        if not self.cached or (self.scheduled and passed != self.moment):
            values = [each.numbers(*self.names, passed=passed) for each in self.regularizers]
            self.cached = {name: self.tensor([each[name] for each in values]) for name in values[0]}
            self.moment = passed
        return {**self.cached, **self.text_knobs}

    def tensor(self, values: list[float]) -> Tensor:
        """Return one number per recipe, with ``axes`` ones behind."""
        made = torch.tensor(values, dtype=self.precision.weights, device=self.precision.device)
        return made.view(1, -1, *[1] * self.axes)


def counterparts(recipes: Sequence[Recipe], kind: type[Unit]) -> list[tuple[Unit, ...]]:
    """Return the regularizers of one kind that all recipes of a block have, each with its counterparts."""
    return list(zip(*([each for each in recipe if isinstance(each, kind)] for recipe in recipes), strict=True))


def recipe_groups(recipes: Sequence[Recipe], kind: type[Unit]) -> Iterator[tuple[slice, list[Unit]]]:
    """Yield each type of regularizer of a kind, by stretches of neighbouring recipes that have it.

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
