"""One way to call the formulas of all places."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bridle.testing.cases import Case
from bridle.testing.inputs import Inputs

__all__ = [
    "add_gradient",
    "call_torch",
    "call_vanilla",
    "call_with",
    "grid_knobs",
    "knob_tensors",
    "packed",
    "unpacked",
    "word_options",
]


@dataclass(frozen=True)
class VanillaResult:
    """Results of the NumPy form, and its backward function: a result's gradient to the inputs' gradients."""

    results: tuple[Any, ...]
    backward: Callable[[Any], tuple[np.ndarray, ...]] | None  # None at the places that nothing flows back through

    def gradients(self, g: object) -> tuple[np.ndarray, ...]:
        """Return the gradients of the inputs, given the gradient of the first result."""
        if self.backward is None:
            raise AssertionError("nothing flows back through this place")
        return self.backward(g)


def call_vanilla(case: Case, unit: Any, inputs: Inputs) -> VanillaResult:
    """The NumPy form at any place."""
    returned = unit.vanilla(*packed(case, inputs.all), *fan_in(case), **case.numbers(unit), **case.keywords)
    if case.has("evaluate"):
        *results, backward = unpacked(case, returned)
        return VanillaResult(tuple(results), backward)
    if case.leaf.place == "loss":
        count = 1 + len(case.shapes)
        gradients = returned[1:count]
        return VanillaResult(
            (returned[0], *unpacked(case, returned[count:])), lambda g: tuple(g * each for each in gradients)
        )
    return VanillaResult(as_results(case, returned), None)


def call_torch(case: Case, unit: object, inputs: Inputs) -> tuple[Tensor, ...]:
    """The PyTorch form at any place, with its knobs as Python numbers."""
    return call_with(case, case.numbers(unit), inputs)


def call_with(case: Case, numbers: dict[str, Any], inputs: Inputs, **out: Tensor) -> tuple[Tensor, ...]:
    """The PyTorch form at any place, with knobs given as numbers or tensors."""
    return as_results(
        case, case.leaf.torch(*packed(case, inputs.all), *fan_in(case), **numbers, **case.keywords, **out)
    )


def add_gradient(case: Case, numbers: dict[str, Any], g: Tensor, inputs: Inputs, **out: Tensor) -> tuple[Tensor, ...]:
    """The gradient form of a penalty on parameters."""
    return as_results(case, case.leaf.add_gradient(g, *packed(case, inputs.all), **numbers, **case.keywords, **out))


def as_results(case: Case, returned: Any) -> tuple[Any, ...]:
    """Return a form's results as a tuple, the fields of the state last."""
    several = case.forms["torch"].results > 1 or bool(case.leaf.state)
    return unpacked(case, returned if several else (returned,))


def packed(case: Case, values: list[Any]) -> list[Any]:
    """Return arguments of which the last are the fields of the state, with these in one named tuple."""
    count = len(values) - len(case.leaf.state)
    return [*values[:count], type(case.leaf.state)(*values[count:])] if case.leaf.state else values


def unpacked(case: Case, returned: Iterable[object]) -> tuple[Any, ...]:
    """Return results with the fields of the state in place of the state."""
    kind = type(case.leaf.state)
    return tuple(part for each in returned for part in (each if isinstance(each, kind) else (each,)))


def fan_in(case: Case) -> list[float]:
    """The number of inputs of a unit, for those that ask for it."""
    return [float(math.prod(case.matrix[1:]))] if "fan_in" in case.leaf.extra_inputs else []


def word_options(case: Case) -> dict[str, Any]:
    """The words that an evaluation form takes."""
    return {name: value for name, value in case.keywords.items() if isinstance(value, str)}


def knob_tensors(case: Case, units: list[Any], *shape: int, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """The knobs of all variants as tensors of this shape."""
    return {
        name: torch.tensor([case.numbers(unit)[name] for unit in units], dtype=dtype).view(shape)
        for name in case.numbers(units[0])
    }


def grid_knobs(case: Case, units: list[Any], dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """The knobs of all variants (1, variants, 1, ...), to be broadcast against stacked subjects."""
    return knob_tensors(case, units, 1, -1, *[1] * case.axes, dtype=dtype)
