"""Adaptive sharpness-aware minimization: nearby is what differs little in proportion, weight by weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Ascent
from bridle.schedules import Strength

TINY = 1e-12  # the least length that is divided by: without a gradient there is no step


def asam_vanilla(w: np.ndarray, g: np.ndarray, norm: float, *, radius: float, eps: float) -> np.ndarray:
    """A parameter and its gradient, any shape, and the length of all measures -> the parameter at the other point."""
    way: np.ndarray = (np.abs(w) + eps) ** 2 * g
    return w + way * (radius / max(norm, TINY))


def asam(w: Tensor, g: Tensor, norm: float | Tensor, *, radius: float | Tensor, eps: float | Tensor) -> Tensor:
    """A parameter and its gradient, any shape, and the length of all measures -> the parameter at the other point."""
    one = w.new_tensor(1.0, dtype=torch.promote_types(w.dtype, torch.float32))
    scale = radius / (one * norm).clamp(min=TINY)
    size = w.abs().add_(eps)
    way = size.mul_(size).mul_(g)  # in place: what bounds a step of a large stack is its memory
    return torch.addcmul(w, way, scale.to(w.dtype))


@dataclass(frozen=True, repr=False)
class ASAM(Ascent):
    """Takes the gradient at the steepest point around the weights, where large weights may move further than small.

    Formula:
        ŵ = w + radius · t² g / ‖t g‖,   t = |w| + eps, number by number, g = ∇loss(w), ‖t g‖ over all selected
        parameters together;   then   w ← w - lr · update(∇loss(ŵ))

    Helps when:
        SAM does, and the scale of the weights is arbitrary, as with ReLUs, where a layer may be doubled and the next
        one halved: what counts as near does not change with it.

    Hurts when:
        Time is short: every step takes two gradients. Weights near zero are hardly moved, so it says little about them
        (that is what ``eps`` is for). The radius is no length: good ones are about ten times those of SAM.

    Conversion:
        The authors' ASAM(rho, eta) = radius, eps; they move what is not called a weight, biases above all, by its
        gradient alone (t = 1). The usual torch code, SAM(rho, adaptive=True), has eps = 0.

    Conflicts:
        BatchNorm, GhostBatchNorm: doubtful. The second gradient sees the batch's statistics of other weights.

    Example:
        >>> import torch
        >>> w, g = torch.tensor([1.0, 10.0]), torch.tensor([1.0, 1.0])
        >>> norm = ASAM.measure(w, g, radius=0.5, eps=0.0).norm()
        >>> ASAM.torch(w, g, norm, radius=0.5, eps=0.0)
        tensor([ 1.0498, 14.9752])

    Paper:
        Kwon et al., ASAM: Adaptive Sharpness-Aware Minimization for Scale-Invariant Learning of Deep Neural Networks,
        2021, https://arxiv.org/abs/2102.11600, algorithm 1, with p = 2.
    """

    radius: Strength = knob(
        0.5, "how far away the gradient is taken, in proportion", off=0.0, open_high=True, log=True, known_as=("rho",)
    )
    eps: Strength = knob(
        0.01, "added to a weight's size, so that zeros move too", open_high=True, log=True, known_as=("eta",)
    )

    known_as = ("AdaptiveSAM",)
    vanilla = staticmethod(asam_vanilla)
    torch = staticmethod(asam)

    @staticmethod
    def measure(w: Any, g: Any, **numbers: Any) -> Any:
        """Return what the norm is taken of: the gradient by a weight's own size."""
        size = abs(w)
        size += numbers["eps"]
        size *= g
        return size
