"""RMS normalization: the size of an example goes, its mean may stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from bridle.knobs import knob
from bridle.places import Layer
from bridle.schedules import Strength


def rms_norm_vanilla(
    h: np.ndarray, weight: np.ndarray, *, eps: float
) -> tuple[np.ndarray, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]]:
    """(batch, units) and (units,) -> (batch, units), and the gradient function."""
    size = np.sqrt((h**2).mean(1, keepdims=True) + eps)  # the root of the mean square
    normal = h / size

    def backward(g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        g_normal = g * weight
        # A row has no size any more, so whatever of the gradient would change it is lost.
        g_h = (g_normal - normal * (g_normal * normal).mean(1, keepdims=True)) / size
        return g_h, (g * normal).sum(0)

    return normal * weight, backward


def rms_norm(h: Tensor, weight: Tensor, *, eps: float | Tensor) -> Tensor:
    """(..., batch, units) and (..., 1, units) or (units,) -> (..., batch, units)."""
    wide = h.to(torch.promote_types(h.dtype, torch.float32))  # bfloat16 has no digits for a mean
    out: Tensor = (normalized(wide, eps) * weight).to(h.dtype)
    return out


def normalized(h: Any, eps: Any) -> Any:
    """(..., units) -> the same, each row with mean square 1; by arithmetic alone, for both forms."""
    return h / ((h**2).mean(-1)[..., None] + eps) ** 0.5


@dataclass(frozen=True, repr=False)
class RMSNorm(Layer):
    """Divides each example by the root mean square of a layer's units before their activation, then scales by gamma.

    Formula:
        h ← gamma · h / √(mean of h² + eps),   the mean over the units of one example, in images and sequences over the
        channels at one position;   the same in evaluation

    Helps when:
        A layer norm would, at less cost: the paper finds that the scaling is what matters and the centering is not.
        Usual in today's language models.

    Hurts when:
        The units have a mean far from zero: it dominates the mean square, and what differs between the units becomes
        small. The size of an example says something: all come out equally large.

    Conversion:
        torch's RMSNorm(units, eps) and Keras's RMSNormalization(epsilon) = eps; torch's default, None, is the
        resolution of the numbers: 1.2e-7 in float32, 2.2e-16 in float64.

    Example:
        >>> import torch
        >>> h = torch.tensor([[1.0, 7.0], [10.0, 70.0]])
        >>> RMSNorm.torch(h, torch.ones(2), eps=1e-9)  # mean squares of 5² and 50²
        tensor([[0.2000, 1.4000],
                [0.2000, 1.4000]])
        >>> RMSNorm().module(4)(torch.ones(2, 4)).shape  # as a module, in any network
        torch.Size([2, 4])

    Paper:
        Zhang and Sennrich, Root Mean Square Layer Normalization, 2019, https://arxiv.org/abs/1910.07467, equation 4.
    """

    eps: Strength = knob(
        1e-6,
        "added to the mean square before the root",
        open_low=True,
        high=1.0,
        log=True,
        known_as=("epsilon", "variance_epsilon"),
    )

    known_as = ("RMSNormalization",)
    parameters: ClassVar[dict[str, Any]] = {"weight": 1.0}
    before_activation: ClassVar[bool] = True
    vanilla = staticmethod(rms_norm_vanilla)
    torch = staticmethod(rms_norm)

    @staticmethod
    def evaluate(h: Any, weight: Any, *, eps: Any) -> Any:
        """(..., batch, units) -> the same, as in training."""
        return normalized(h, eps) * weight

    def make_module(self, units: int, axes: int) -> nn.Module:
        """torch's own for (batch, units); it would take the last axis of images for the channels."""
        if axes != 2:
            return super().make_module(units, axes)
        return nn.RMSNorm(units, eps=self.numbers()["eps"])
