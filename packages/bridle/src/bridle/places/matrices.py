"""Weights of any layer as matrices (outputs, inputs, positions), and where what belongs to them starts."""

from __future__ import annotations

import torch
from torch import Tensor

from bridle.places.base import Start

__all__ = ["as_matrix", "as_number", "as_stored", "at_least_float32", "begin"]


def as_matrix(w: Tensor, *, transposed: int = 0) -> Tensor:
    """Return a weight of any shape, outputs first, as (outputs, inputs, positions).

    With ``transposed``, the number of groups, the outputs of each group are second.
    """
    w = swapped(w, transposed) if transposed else w
    if w.ndim < 3:
        return w.reshape(len(w) if w.ndim else 1, *w.shape[1:], *[1] * (3 - max(w.ndim, 1)))
    return w if w.ndim == 3 else w.flatten(2)


def as_stored(matrix: Tensor, like: Tensor, *, transposed: int = 0) -> Tensor:
    """(outputs, inputs, positions) -> the shape from which :func:`as_matrix` made it, that of ``like``."""
    if not transposed:
        return matrix.reshape(like.shape)
    return swapped(matrix.reshape(swapped(like, transposed).shape), transposed)


def swapped(w: Tensor, groups: int) -> Tensor:
    """Return a transposed convolution's weight with the outputs of all groups first; and the way back."""
    if groups == 1:
        return w.transpose(0, 1)
    parted: Tensor = w.unflatten(0, (groups, -1))
    return parted.transpose(1, 2).flatten(0, 1)


def begin(start: Start, matrix: Tensor) -> Tensor:
    """Return the initial parameter or state of a weight (outputs, inputs, positions)."""
    if callable(start):
        begun: Tensor = start(matrix)
        return begun
    return torch.full((len(matrix), 1, 1), float(start), dtype=matrix.dtype, device=matrix.device)


def as_number(start: Start) -> float:
    """Return the start of what has one value per unit, which is a number."""
    assert not callable(start)
    return float(start)


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    """Return the type in which formulas are computed: float32 for the shorter ones."""
    return torch.promote_types(dtype, torch.float32)
