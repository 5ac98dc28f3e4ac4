"""Sharpness-aware minimization: what matters is not the loss here, but the worst one nearby."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Ascent
from bridle.schedules import Strength

TINY = 1e-12  # the least length that is divided by: without a gradient there is no step


def sam_vanilla(w: np.ndarray, g: np.ndarray, norm: float, *, radius: float) -> np.ndarray:
    """A parameter and its gradient, any shape, and the length of all gradients -> the parameter at the other point."""
    return w + g * (radius / max(norm, TINY))


def sam(w: Tensor, g: Tensor, norm: float | Tensor, *, radius: float | Tensor) -> Tensor:
    """A parameter and its gradient, any shape, and the length of all gradients -> the parameter at the other point."""
    one = w.new_tensor(1.0, dtype=torch.promote_types(w.dtype, torch.float32))
    scale = radius / (one * norm).clamp(min=TINY)
    return torch.addcmul(w, g, scale.to(w.dtype))


@dataclass(frozen=True, repr=False)
class SAM(Ascent):
    """Takes the gradient at the steepest point within ``radius`` around the weights, and applies it to the weights.

    Formula:
        ŵ = w + radius · g / ‖g‖,   g = ∇loss(w), ‖g‖ over all selected parameters together;
        then   w ← w - lr · update(∇loss(ŵ))

    Helps when:
        The network can fit everything, wrong labels too: it prefers wide valleys, where the loss stays low around the
        weights, and these tend to hold for new data.

    Hurts when:
        Time is short: every step takes two gradients. A network that underfits is held back further. The radius is an
        absolute length: larger weights that compute the same see a smaller neighborhood (ASAM measures it by them).

    Conversion:
        Composer's SAM(rho) and the usual torch code, SAM(rho, adaptive=False), = radius; they divide by ‖g‖ + 1e-12.

    Conflicts:
        ASAM: refused. There is one point at which the gradient is taken; keep one of them.
        BatchNorm, GhostBatchNorm: doubtful. The second gradient sees the batch's statistics of other weights.

    Example:
        >>> import torch
        >>> w, g = torch.zeros(2), torch.tensor([3.0, 4.0])
        >>> SAM.torch(w, g, g.norm(), radius=0.5)
        tensor([0.3000, 0.4000])

    Paper:
        Foret et al., Sharpness-Aware Minimization for Efficiently Improving Generalization, 2021,
        https://arxiv.org/abs/2010.01412, algorithm 1, with p = 2.
    """

    radius: Strength = knob(
        0.05, "how far away the gradient is taken", off=0.0, open_high=True, log=True, known_as=("rho",)
    )

    known_as = ("SharpnessAwareMinimization",)
    vanilla = staticmethod(sam_vanilla)
    torch = staticmethod(sam)
