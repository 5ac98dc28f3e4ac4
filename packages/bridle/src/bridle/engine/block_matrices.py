"""Weights of a whole block as matrices, for formulas on (outputs, inputs, positions), and the start of what they keep.

For one weight alone :mod:`bridle.places.matrices` has the same.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor
from torch.func import vmap

from bridle.places.base import Start
from bridle.places.matrices import begin

__all__ = ["as_matrices", "begin_all", "match_layout"]


def as_matrices(w: Tensor) -> Tensor:
    """(seeds, recipes, *shape) -> (seeds, recipes, outputs, inputs, positions), a view."""
    if w.ndim < 5:
        return w[(..., *[None] * (5 - w.ndim))]
    return w if w.ndim == 5 else w.flatten(4)


def begin_all(start: Start, matrices: Tensor) -> Tensor:
    """Return the initial parameter or state of weights (seeds, recipes, outputs, inputs, positions)."""
    begun: Tensor = vmap(vmap(partial(begin, start)))(matrices)
    return begun


def match_layout(matrices: Tensor, noise: Tensor) -> Tensor:
    """Return noise for weights in the weights' own layout: formulas on two layouts are several times slower."""
    if matrices.stride(-3) < matrices.stride(-2):
        return noise.transpose(-3, -2).contiguous().transpose(-3, -2)
    return noise
