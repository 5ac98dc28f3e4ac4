"""Inputs for the common checks, made from what a place says of itself, and one way to call all places.

Nothing here knows a regularizer by name: a new one is checked without a line being added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import Knob, knobs
from bridle.recipe import Regularizer

VARIANTS, BATCH, UNITS = 4, 8, 5
SHAPE = (BATCH, UNITS)  # of activations, and of a weight (outputs, inputs)
EXTRA: dict[str, dict[str, float]] = {"layer": {}, "loss": {}, "weight": {"lr": 0.1}}  # what else the place is told


def values(declared: Knob) -> list[float]:
    """As many different values as there are variants, within the knob's range, none of them ``off``."""
    if declared.log or declared.high == float("inf"):
        return [declared.default * factor for factor in (0.1, 1.0, 3.0, 30.0)]
    return [declared.low + (declared.high - declared.low) * share for share in (0.05, 0.3, 0.5, 0.9)]


def settings(leaf: type[Regularizer]) -> list[Regularizer]:
    """One regularizer per variant, all number knobs different from variant to variant."""
    numbers = {k.name: values(k) for k in knobs(leaf) if k.is_number}
    return [leaf(**{name: each[variant] for name, each in numbers.items()}) for variant in range(VARIANTS)]


def per_unit(start: float, random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Parameters or state somewhere along the way from their initial value: what starts positive stays positive."""
    return start * random.uniform(0.5, 1.5, shape) if start else random.normal(size=shape)


def arrays(leaf: type[Regularizer], *, seed: int = 0, stacked: bool = False) -> list[np.ndarray]:
    """The positional arguments of both forms in float64: of one variant, or of all on a leading axis."""
    random = np.random.default_rng(seed)
    lead = (VARIANTS,) if stacked else ()
    first = random.normal(size=(*lead, *SHAPE))
    if leaf.place != "layer":
        return [first]
    noise = [random.uniform(size=first.shape)] if leaf.draws_noise else []
    units = (VARIANTS, 1, UNITS) if stacked else (UNITS,)
    starts = [*leaf.parameters.values(), *leaf.state.values()]
    return [first, *noise, *(per_unit(start, random, units) for start in starts)]


def learned(leaf: type[Regularizer]) -> list[int]:
    """Which of the positional arguments have a gradient: the first, and a layer's parameters."""
    if leaf.place != "layer":
        return [0]
    start = 1 + leaf.draws_noise
    return [0, *range(start, start + len(leaf.parameters))]


def tensors(inputs: list[np.ndarray], dtype: torch.dtype = torch.float64, device: str = "cpu") -> list[Tensor]:
    """The same as tensors; copies, so that nothing is shared."""
    return [torch.tensor(each, dtype=dtype, device=device) for each in inputs]


@dataclass(frozen=True)
class Vanilla:
    """What the NumPy form returned: its results, and the function from a result's gradient to the inputs' gradients."""

    results: tuple[Any, ...]
    backward: Callable[[Any], tuple[np.ndarray, ...]] | None  # None at the places that nothing flows back through


def call_vanilla(unit: Regularizer, *inputs: np.ndarray) -> Vanilla:
    """The NumPy form at any place."""
    returned = unit.vanilla(*inputs, **unit.settings(numbers=True), **EXTRA[unit.place])
    if unit.place == "layer":
        *results, backward = returned
        return Vanilla(tuple(results), backward)
    if unit.place == "loss":
        penalty, gradient = returned
        return Vanilla((penalty,), lambda g: (g * gradient,))
    return Vanilla((returned,), None)


def call_torch(unit: Regularizer, *inputs: Tensor) -> tuple[Tensor, ...]:
    """The PyTorch form at any place, with its knobs as Python numbers."""
    return call_with(type(unit), unit.settings(numbers=True), *inputs)


def call_with(leaf: type[Regularizer], numbers: dict[str, Any], *inputs: Tensor) -> tuple[Tensor, ...]:
    """The PyTorch form at any place, with knobs given as numbers or tensors."""
    returned = leaf.torch(*inputs, **numbers, **EXTRA[leaf.place])
    return returned if leaf.place == "layer" else (returned,)


def knob_tensors(units: list[Regularizer], *shape: int, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """The knobs of all variants as tensors of shape (variants, *shape)."""
    names = units[0].settings(numbers=True)
    return {
        name: torch.tensor([unit.settings(numbers=True)[name] for unit in units], dtype=dtype).view(-1, *shape)
        for name in names
    }


def edges() -> Iterator[tuple[str, np.ndarray]]:
    """First arguments at which formulas break: what a dead network, a dying one and a diverging one produce."""
    signs = np.where(np.random.default_rng(1).uniform(size=SHAPE) < 0.5, -1.0, 1.0)
    yield "zeros", np.zeros(SHAPE)
    yield "1e-30", signs * 1e-30
    yield "1e30", signs * 1e30
    yield "constant columns", np.broadcast_to(np.linspace(-2.0, 2.0, UNITS), SHAPE).copy()
    yield "huge constant columns", np.full(SHAPE, 2.0**100)  # a power of two: its mean is exact in any order of adding
