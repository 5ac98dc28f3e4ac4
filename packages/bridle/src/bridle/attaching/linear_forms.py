"""Linear forms: formulas that are weighted sums of their arrays, computed for all parameters in one call.

Most formulas on parameters are sums of their arrays, each weighted by a number that only knobs and the step decide:
L2's ``g + 2 · strength · w``, weight decay, EMA. The NumPy form, evaluated on 1 and 0, has the coefficients, and
torch's foreach functions then change all parameters in a few calls. Linearity is found out by trying the formula.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bridle.places import Average, Gradient, Loss, Weight
from bridle.places.base import Placed
from bridle.schedules import LAST

__all__ = ["LinearForm", "axpby_", "linear_formula"]

Formula = Callable[..., Sequence[Any]]  # of NumPy's arrays and numbers
Weights = list[tuple[float, ...]]  # of each result, for two arrays
ROUNDING = 1e-12
TRIES = 64  # numbers of all sizes that a formula is tried on
MOMENTS = ({"step": 0, "steps": 10}, {"step": 4, "steps": 10}, {"step": 9, "steps": 10})
RATES = {"lr": 0.1, "peak": 0.1}


def numpy_formula(unit: Placed) -> tuple[Formula, int] | None:
    """Return the NumPy form of a regularizer on parameters and its number of arrays; ``None`` if shapes differ."""
    shaped = unit.matrix or unit.state or {"norm", "fan_in"} & {*unit.extra_inputs}
    if shaped or not isinstance(unit, Loss | Gradient | Weight | Average):
        return None
    own = unit.vanilla
    if isinstance(unit, Average):
        return own, 2
    if isinstance(unit, Loss):
        return lambda g, *arrays, **keywords: (g + own(*arrays, **keywords)[1],), 2 + len(unit.extra_inputs)
    return lambda *arrays, **keywords: (own(*arrays, **keywords),), 1 + len(unit.noise) + len(unit.extra_inputs)


def linear_formula(unit: Placed) -> tuple[Formula, int] | None:
    """Return the NumPy form of a regularizer and its number of arrays, if it is linear in them.

    Of at most two arrays: more may cancel, and then the formula gives exactly zero where the sum has a rounding error,
    which Adam amplifies to a step.
    """
    found = numpy_formula(unit)
    if found is None or found[1] > 2 or not all(is_linear(*found, keywords) for keywords in trial_keywords(unit)):
        return None
    return found


def trial_keywords(unit: Placed) -> list[dict[str, Any]]:
    """Return keywords to try a formula with: its own over the training, and its class's defaults."""
    words = unit.words_in_formula()
    numbers = [type(unit)().numbers(), *(unit.numbers(passed=passed) for passed in (0.0, 0.5, LAST))]
    steps: list[dict[str, Any]] = [{name: (each | RATES)[name] for name in unit.step_inputs} for each in MOMENTS]
    return [{**knobs, **words, **step} for knobs in numbers for step in steps]


@np.errstate(all="ignore")  # what divides zero by zero is no sum
def is_linear(formula: Formula, count: int, keywords: dict[str, Any]) -> bool:
    """Return True if a formula is linear in its arrays, tried on numbers of all signs and sizes."""
    weights = np.array(LinearForm(formula, count).coefficients(keywords))[:, :count]
    random = np.random.default_rng(0)
    arrays = random.normal(size=(count, TRIES)) * 10.0 ** random.uniform(-12, 12, (count, TRIES))
    results, zeros = (np.array(formula(*given, **keywords)) for given in (arrays, np.zeros_like(arrays)))
    scale = np.abs(weights) @ np.abs(arrays)
    return bool((np.abs(results - weights @ arrays) <= 1e-9 * scale).all()) and not zeros.any()


def axpby_(into: list[Tensor], other: list[Tensor], own: float, share: float) -> None:
    """Compute ``into = own · into + share · other``, tensor by tensor, in place."""
    if share and abs(own + share - 1) < ROUNDING:
        torch._foreach_lerp_(into, other, share)  # a mean of equals is exactly that
        return
    if own != 1:
        torch._foreach_mul_(into, own)
    if share:
        torch._foreach_add_(into, other, alpha=share)


class LinearForm:
    """A weighted sum of one or two arrays; its coefficients are computed only when the keywords change."""

    def __init__(self, formula: Formula, count: int) -> None:
        self.formula = formula
        self.ones = [[np.float64(at == one) for at in range(count)] for one in range(count)]
        self.keywords: dict[str, Any] | None = None
        self.weights: Weights = []

    def coefficients(self, keywords: dict[str, Any]) -> Weights:
        """Return the two coefficients of each result; the second is 0 if there is one array."""
        if keywords is not self.keywords:
            results = [self.formula(*each, **keywords) for each in self.ones]
            self.weights = [(*map(float, each), 0.0)[:2] for each in zip(*results, strict=True)]
            self.keywords = keywords
        return self.weights
