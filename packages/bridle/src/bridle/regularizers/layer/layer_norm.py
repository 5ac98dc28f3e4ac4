"""Layer normalization: every example speaks at the same volume, whatever batch it is in."""

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

Gradients = tuple[np.ndarray, np.ndarray, np.ndarray]


def layer_norm_vanilla(
    h: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, eps: float
) -> tuple[np.ndarray, Callable[[np.ndarray], Gradients]]:
    """(batch, units) and twice (units,) -> (batch, units), and the gradient function."""
    mean = h.mean(1, keepdims=True)
    var = ((h - mean) ** 2).mean(1, keepdims=True)
    deviation = np.sqrt(var + eps)
    normal = (h - mean) / deviation

    def backward(g: np.ndarray) -> Gradients:
        g_normal = g * weight
        # A row has neither its mean nor its size any more, so whatever of the gradient would change these is lost.
        along = normal * (g_normal * normal).mean(1, keepdims=True)
        g_h = (g_normal - g_normal.mean(1, keepdims=True) - along) / deviation
        return g_h, (g * normal).sum(0), g.sum(0)

    return normal * weight + bias, backward


def layer_norm(h: Tensor, weight: Tensor, bias: Tensor, *, eps: float | Tensor) -> Tensor:
    """(..., batch, units) and twice (..., 1, units) or (units,) -> (..., batch, units)."""
    wide = h.to(torch.promote_types(h.dtype, torch.float32))  # bfloat16 has no digits for a mean
    out: Tensor = (normalized(wide, eps) * weight + bias).to(h.dtype)
    return out


def normalized(h: Any, eps: Any) -> Any:
    """(..., units) -> the same, each row with mean 0 and variance 1; by arithmetic alone, for both forms."""
    centered = h - h.mean(-1)[..., None]
    return centered / ((centered**2).mean(-1)[..., None] + eps) ** 0.5


@dataclass(frozen=True, repr=False)
class LayerNorm(Layer):
    """Standardizes each example over the units of a layer before their activation, then rescales by gamma and beta.

    Formula:
        h ← gamma · (h - mean) / √(var + eps) + beta,   mean and var (biased) over the units of one example, in images
        and sequences over the channels at one position;   the same in evaluation

    Helps when:
        Batches are small or their examples related, where a batch norm fails; in sequences and transformers. What
        becomes of an example does not hang on the others, so training and evaluation are alike.

    Hurts when:
        The size of an example says something: all come out equally large. Layers are narrow: of two units, hardly more
        than a sign is left. In convolutional networks a batch norm is usually better.

    Conversion:
        torch's LayerNorm(units, eps) and Keras's LayerNormalization(epsilon) = eps; Keras's default is 1e-3. In images
        it is timm's LayerNorm2d, not torch's LayerNorm over channels, height and width (GroupNorm with one group).

    Conflicts:
        GroupNorm, RMSNorm: doubtful. Each sets the size of an example anew; keep one of them.

    Example:
        >>> import torch
        >>> h, ones = torch.tensor([[1.0, 3.0], [10.0, 30.0]]), torch.ones(2)
        >>> LayerNorm.torch(h, ones, ones, eps=1e-9)  # 2 and 20 away from a mean: the same
        tensor([[0., 2.],
                [0., 2.]])
        >>> LayerNorm().module(4)(torch.ones(2, 4)).shape  # as a module, in any network
        torch.Size([2, 4])

    Paper:
        Ba, Kiros and Hinton, Layer Normalization, 2016, https://arxiv.org/abs/1607.06450, equation 3; gamma and beta
        are its gain and bias.
    """

    eps: Strength = knob(
        1e-5, "added to the variance before the root", open_low=True, high=1.0, log=True, known_as=("epsilon",)
    )

    known_as = ("LayerNormalization",)
    parameters: ClassVar[dict[str, Any]] = {"weight": 1.0, "bias": 0.0}
    before_activation: ClassVar[bool] = True
    vanilla = staticmethod(layer_norm_vanilla)
    torch = staticmethod(layer_norm)

    @staticmethod
    def evaluate(h: Any, weight: Any, bias: Any, *, eps: Any) -> Any:
        """(..., batch, units) -> the same, as in training."""
        return normalized(h, eps) * weight + bias

    def make_module(self, units: int, axes: int) -> nn.Module:
        """torch's own for (batch, units); it would take the last axis of images for the channels."""
        if axes != 2:
            return super().make_module(units, axes)
        return nn.LayerNorm(units, eps=self.numbers()["eps"])
