"""Spectral penalty: no direction shall be stretched too far, however the others are treated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Array, Loss
from bridle.schedules import Strength

WARM_UP = 10  # power iterations before the first step


class Direction(NamedTuple, Generic[Array]):
    """The direction that a weight stretches most, nearly."""

    v: Array  # (..., 1, inputs, positions), of length 1


def spectral_penalty_vanilla(
    w: np.ndarray, state: Direction[np.ndarray], *, strength: float
) -> tuple[float, np.ndarray, Direction[np.ndarray]]:
    """(outputs, inputs, positions), a direction -> the penalty, its gradient, and the next direction."""
    matrix, v = w.reshape(len(w), -1), state.v.reshape(-1)
    stretched = matrix @ v
    penalty = strength * (stretched**2).sum()
    gradient = strength * 2 * np.outer(stretched, v)
    return float(penalty), gradient.reshape(w.shape), Direction(turned(matrix, v).reshape(state.v.shape))


def turned(matrix: Any, v: Any) -> Any:
    """Take one power iteration, in arithmetic alone: ``v`` turns towards the direction that is stretched most."""
    pulled = matrix.T @ of_length_one(matrix @ v)
    return of_length_one(pulled + v * (abs(pulled).max() == 0))  # a matrix of zeros has no such direction: v stays


def of_length_one(vector: Any) -> Any:
    """Return the same direction with length one; zeros stay."""
    size = abs(vector).max()  # first, or the squares of tiny numbers vanish
    vector = vector / (size + (size == 0))
    length = (vector * vector).sum() ** 0.5
    return vector / (length + (length == 0))


def first_direction(w: Any) -> Any:
    """(outputs, inputs, positions) -> (1, inputs, positions): near the direction that is stretched most."""
    matrix = w.reshape(w.shape[0], -1)
    v = of_length_one(matrix[0] + (abs(matrix[0]).max() == 0))
    for _ in range(WARM_UP):
        v = turned(matrix, v)
    return v.reshape(1, *w.shape[1:])


def spectral_penalty(
    w: Tensor, state: Direction[Tensor], *, strength: float | Tensor
) -> tuple[Tensor, Direction[Tensor]]:
    """(outputs, inputs, positions), a direction -> the penalty, a scalar, and the next direction."""
    stretched, following = stretch(w, state.v)
    return (strength * stretched.square().sum()).to(w.dtype), Direction(following)


def add_spectral_penalty_gradient(
    g: Tensor, w: Tensor, state: Direction[Tensor], *, strength: float | Tensor, out: Tensor | None = None
) -> tuple[Tensor, Direction[Tensor]]:
    """(..., outputs, inputs, positions) and a direction -> ``g`` plus the penalty's gradient, the next direction."""
    stretched, following = stretch(w, state.v)
    pull = (stretched[..., None] * (2 * strength)).to(w.dtype)
    return torch.addcmul(g, pull, state.v, out=out), Direction(following)


def stretch(w: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Return the stretched direction (..., outputs, 1), and the next direction."""
    wide = torch.promote_types(w.dtype, torch.float32)
    matrix, v = w.flatten(-2).to(wide), direction.flatten(-2).mT.to(wide)
    stretched = matrix @ v
    pulled = matrix.detach().mT @ columns_of_length_one(stretched.detach())
    nothing = pulled.abs().amax(-2, keepdim=True) == 0
    following = torch.where(nothing, v, columns_of_length_one(pulled))
    return stretched, following.mT.reshape(direction.shape).to(direction.dtype)


def columns_of_length_one(a: Tensor) -> Tensor:
    """Return the columns (..., n, 1) with length one; zeros stay."""
    size = a.abs().amax(-2, keepdim=True)
    return F.normalize(a / (size + (size == 0)), dim=-2)


@dataclass(frozen=True, repr=False)
class SpectralPenalty(Loss):
    """Adds the square of each weight matrix's spectral norm, the most that it can stretch an input, to the loss.

    Formula:
        loss(w) = data_loss(w) + strength · ‖W v‖²,   gradient: 2 · strength · (W v) vᵀ,
        then   v ← Wᵀ W v / ‖Wᵀ W v‖,   so that ‖W v‖ → σ(W);   W as (outputs, inputs · positions)

    Helps when:
        Predictions shall not change much with the input: the product of the spectral norms bounds by how much. Unlike
        L2, it leaves the directions alone that are not stretched most.

    Hurts when:
        A batch norm follows: it undoes any scale. For convolutions σ(W) is that of the kernel as a matrix, not of the
        convolution as a map. In the first steps of a high learning rate v lags behind the weights.

    Conversion:
        The paper's λ = 2 · strength (its penalty has a half). With a single output it is L2(strength).

    Conflicts:
        SpectralNorm: doubtful. SpectralNorm divides the weight by what is penalized here; keep one of them.

    Example:
        >>> import torch
        >>> SpectralPenalty(strength=0.1)(torch.tensor([[3.0, 0.0], [0.0, 1.0]]))  # 0.1 * 3 ** 2
        tensor(0.9000)

    Paper:
        Yoshida and Miyato, Spectral Norm Regularization for Improving the Generalizability of Deep Learning, 2017,
        https://arxiv.org/abs/1705.10941, algorithm 1, with the power iteration behind the gradient, not before it.
    """

    strength: Strength = knob(
        0.005, "cost of one unit of squared spectral norm", off=0.0, open_high=True, log=True, differs=("lambda",)
    )

    known_as = ("SpectralRegularization",)
    matrix: ClassVar[bool] = True
    state = Direction(v=first_direction)
    vanilla = staticmethod(spectral_penalty_vanilla)
    torch = staticmethod(spectral_penalty)
    add_gradient = staticmethod(add_spectral_penalty_gradient)
