"""Spectral normalization: no direction of the input is stretched by more than a limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Array, WeightLayer
from bridle.schedules import Strength

ITERATIONS = 15  # before the first step; torch takes as many
TINY = 1e-12  # of a start's own direction in it: a weight of zeros has none


class SingularVectors(NamedTuple, Generic[Array]):
    """The singular vectors of a weight's largest singular value, nearly, each of length 1."""

    u: Array  # (..., outputs, 1, 1), the left one
    v: Array  # (..., 1, inputs, positions), the right one


def spectral_norm_vanilla(
    w: np.ndarray, state: SingularVectors[np.ndarray], *, limit: float, eps: float
) -> tuple[np.ndarray, SingularVectors[np.ndarray], Callable[[np.ndarray], tuple[np.ndarray]]]:
    """(outputs, inputs, positions), singular vectors -> the same, the next vectors, and the gradient function."""
    u = unit((w * state.v).sum((1, 2), keepdims=True) + eps * state.u)
    v = unit((w * u).sum(0, keepdims=True) + eps * state.v)
    sigma = (u * w * v).sum() + eps

    def backward(g: np.ndarray) -> tuple[np.ndarray]:
        g_sigma = -limit * (g * w).sum() / sigma**2
        return (g * (limit / sigma) + g_sigma * u * v,)  # u and v are held constant

    return w * (limit / sigma), SingularVectors(u, v), backward


def spectral_norm(
    w: Tensor, state: SingularVectors[Tensor], *, limit: float | Tensor, eps: float | Tensor
) -> tuple[Tensor, SingularVectors[Tensor]]:
    """(..., outputs, inputs, positions), singular vectors -> the same, and the next vectors."""
    u, v = state
    wide, old_u, old_v = (each.to(torch.promote_types(w.dtype, torch.float32)) for each in (w, u, v))
    matrix = wide.flatten(-2)
    new_u = unit((matrix.detach() @ old_v.flatten(-2).mT).unsqueeze(-1) + eps * old_u)
    pulled = (new_u.squeeze(-1).mT @ matrix).unflatten(-1, w.shape[-2:])  # w transposed, times u
    new_v = unit(pulled.detach() + eps * old_v)
    sigma = (pulled * new_v).sum((-3, -2, -1), keepdim=True) + eps
    return (wide * (limit / sigma)).to(w.dtype), SingularVectors(new_u.to(u.dtype), new_v.to(v.dtype))


def unit(x: Any) -> Any:
    """(..., a, b, c) -> the same with length 1; by arithmetic alone, for both forms."""
    return x / (x**2).sum((-3, -2, -1))[..., None, None, None] ** 0.5


def leading(w: Any) -> tuple[Any, Any]:
    """Return the singular vectors of the largest singular value of (outputs, inputs, positions), nearly.

    Power iteration from vectors that grow evenly, to which hardly any weight is orthogonal.
    """
    u = unit((w[:, :1, :1] ** 0).cumsum(0))
    v = unit((w[:1] ** 0).cumsum(1).cumsum(2))
    w = w + TINY * u * v
    for _ in range(ITERATIONS):
        u = unit((w * v).sum((-2, -1))[..., None, None])
        v = unit((w * u).sum(-3)[None])
    return u, v


def first_u(w: Any) -> Any:
    """(outputs, inputs, positions) -> (outputs, 1, 1), of length 1."""
    return leading(w)[0]


def first_v(w: Any) -> Any:
    """(outputs, inputs, positions) -> (1, inputs, positions), of length 1."""
    return leading(w)[1]


@dataclass(frozen=True, repr=False)
class SpectralNorm(WeightLayer):
    """Divides each weight by its largest singular value, so that its layer stretches no input by more than ``limit``.

    Formula:
        the layer uses   limit · w / (σ + eps),   σ = uᵀ w v, of w as a matrix (outputs, inputs · positions);
        in every training step once   u ← w v / ‖w v‖,   v ← wᵀ u / ‖wᵀ u‖,   constants for the gradient;
        evaluation keeps u and v

    Helps when:
        The network must not answer steeply: discriminators of adversarial networks, robustness to small changes of the
        input, uncertainty from distances. The network's Lipschitz constant is at most the product of the limits.

    Hurts when:
        A classifier underfits: with limit 1 in every layer its logits can hardly grow (raise limit, or leave the output
        layer out by ``on``). A convolution as a whole can stretch by more than its matrix. Penalties on the stored
        weight no longer limit the function.

    Conversion:
        torch's parametrizations.spectral_norm(eps) with one power iteration: limit = 1, and random u and v to start
        with. Keras's SpectralNormalization updates v before u, and writes the result into the stored weight.

    Conflicts:
        BatchNorm, GhostBatchNorm, LayerNorm, GroupNorm, RMSNorm: doubtful. The norm scales up what was limited.

    Example:
        >>> import torch
        >>> w = torch.diag(torch.tensor([3.0, 4.0])).unsqueeze(-1)
        >>> SpectralNorm.torch(w, SingularVectors(first_u(w), first_v(w)), limit=1.0, eps=1e-12)[0].squeeze()
        tensor([[0.7500, 0.0000],
                [0.0000, 1.0000]])
        >>> SpectralNorm().parametrize(torch.nn.Linear(4, 8)).weight.shape  # of a layer in any network
        torch.Size([8, 4])

    Paper:
        Miyato et al., Spectral Normalization for Generative Adversarial Networks, 2018,
        https://arxiv.org/abs/1802.05957, equation 8 and algorithm 1 (u before v, as torch does).
    """

    limit: Strength = knob(
        1.0, "the largest singular value of a weight as it acts", open_low=True, open_high=True, log=True
    )
    eps: Strength = knob(
        1e-12, "keeps a weight of zeros finite", open_low=True, high=1.0, log=True, known_as=("epsilon",)
    )

    known_as = ("SpectralNormalization",)
    state = SingularVectors(u=first_u, v=first_v)
    vanilla = staticmethod(spectral_norm_vanilla)
    torch = staticmethod(spectral_norm)

    @staticmethod
    def evaluate(w: Any, state: SingularVectors[Any], *, limit: Any, eps: Any) -> Any:
        """(..., outputs, inputs, positions) -> the weight as it acts, by the vectors of the last training step."""
        sigma = (state.u * w * state.v).sum((-3, -2, -1))[..., None, None, None] + eps
        return w * (limit / sigma)
