"""Orthogonality: units shall look in different directions, and a layer neither stretch nor squeeze."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Loss
from bridle.schedules import Strength


def orthogonality_vanilla(w: np.ndarray, *, strength: float) -> tuple[float, np.ndarray]:
    """(outputs, inputs, positions) -> the penalty, and its gradient in the shape of ``w``."""
    matrix = w.reshape(len(w), -1)
    outputs, inputs = matrix.shape
    if outputs <= inputs:
        error = matrix @ matrix.T - np.eye(outputs, dtype=w.dtype)
        gradient = strength * 4 * error @ matrix
    else:  # so many rows cannot all be orthogonal to one another; the columns can
        error = matrix.T @ matrix - np.eye(inputs, dtype=w.dtype)
        gradient = strength * 4 * matrix @ error
    penalty = strength * (error**2).sum()
    return float(penalty), gradient.reshape(w.shape)


def orthogonality(w: Tensor, *, strength: float | Tensor) -> Tensor:
    """(outputs, inputs, positions) -> the penalty, a scalar."""
    _, error = off_orthogonal(w)
    return (strength * error.square().sum()).to(w.dtype)


def add_orthogonality_gradient(g: Tensor, w: Tensor, *, strength: float | Tensor, out: Tensor | None = None) -> Tensor:
    """(..., outputs, inputs, positions), twice -> ``g`` plus the gradient of the penalty."""
    matrix, error = off_orthogonal(w)
    pull = error @ matrix if error.shape[-1] == matrix.shape[-2] else matrix @ error
    return torch.addcmul(g, pull.reshape(w.shape).to(w.dtype), w.new_tensor(4.0) * strength, out=out)


def off_orthogonal(w: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weight as a matrix W, and W Wᵀ - I or Wᵀ W - I, whichever is smaller."""
    matrix = w.flatten(-2).to(torch.promote_types(w.dtype, torch.float32))  # in bfloat16 the difference drowns
    outputs, inputs = matrix.shape[-2:]
    gram = matrix @ matrix.mT if outputs <= inputs else matrix.mT @ matrix
    return matrix, gram - torch.eye(min(outputs, inputs), dtype=gram.dtype, device=gram.device)


@dataclass(frozen=True, repr=False)
class Orthogonality(Loss):
    """Adds to the loss how far the units' weights are from being orthogonal to one another and of length one.

    Formula:
        loss(w) = data_loss(w) + strength · ‖W Wᵀ - I‖²,   gradient: 4 · strength · (W Wᵀ - I) W,
        with W as (outputs, inputs · positions), ‖·‖² the sum of squares; where outputs are more: Wᵀ W instead of W Wᵀ

    Helps when:
        The network is deep and has no norms: signals and gradients keep their size from layer to layer, and units do
        not repeat each other.

    Hurts when:
        Layers are wide: it costs a product of the weights with themselves, of outputs² · inputs · positions, at every
        step. On an output layer, whose weights have to grow for confident answers (choose the layers with ``on``).

    Conversion:
        None to Keras's OrthogonalRegularizer, which sets the rows' lengths aside: factor times the mean |cosine|
        between different rows. Here lengths other than one cost as well.

    Example:
        >>> import torch
        >>> w = torch.tensor([[0.6, 0.8], [0.8, 0.6]])  # of length one, but much alike
        >>> Orthogonality(strength=1.0)(w)  # 2 * 0.96 ** 2
        tensor(1.8432)

    Paper:
        Bansal, Chen and Wang, Can We Gain More from Orthogonality Regularizations in Training Deep CNNs?, 2018,
        https://arxiv.org/abs/1810.09102, section 3.1 (soft orthogonality); before it, with absolute values: Brock et
        al., Neural Photo Editing with Introspective Adversarial Networks, 2017, https://arxiv.org/abs/1609.07093.
    """

    strength: Strength = knob(
        0.0001, "cost of one unit of squared deviation", off=0.0, open_high=True, log=True, differs=("factor",)
    )

    known_as = ("OrthogonalRegularizer", "OrthogonalRegularization")
    matrix: ClassVar[bool] = True
    vanilla = staticmethod(orthogonality_vanilla)
    torch = staticmethod(orthogonality)
    add_gradient = staticmethod(add_orthogonality_gradient)
