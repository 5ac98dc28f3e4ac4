"""Gradient centralization: a unit learns which of its inputs count more than the others, not to want more of all."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import MATRICES, ON, Gradient
from bridle.schedules import Strength


def gradient_centralization_vanilla(g: np.ndarray, *, strength: float) -> np.ndarray:
    """(outputs, inputs, positions) -> the same shape."""
    several = g.shape[-2] * g.shape[-1] > 1  # a unit's only weight is its own mean, and would never learn
    centered: np.ndarray = g - strength * several * g.mean((-2, -1), keepdims=True)
    return centered


def gradient_centralization(g: Tensor, *, strength: float | Tensor, out: Tensor | None = None) -> Tensor:
    """(..., outputs, inputs, positions) -> the same shape."""
    several = g.shape[-2] * g.shape[-1] > 1
    mean = g.mean((-2, -1), keepdim=True)
    return torch.sub(g, (strength * several * mean).to(g.dtype), out=out)


@dataclass(frozen=True, repr=False)
class GradientCentralization(Gradient):
    """Subtracts from each unit's gradient its mean over the unit's weights.

    Formula:
        g ← g - strength · mean of g over inputs and positions,   for each output;   units of one weight as they are

    Helps when:
        Inputs have a common level, as behind a ReLU: it takes out the direction in which that level pushes all weights
        of a unit at once, which makes training steadier. It costs next to nothing.

    Hurts when:
        The sum of a unit's weights has to change: with SGD it stays what it was at the start, and only a bias or a norm
        can shift the unit. Inputs that are already centered leave little to do.

    Conversion:
        The authors' centralized_gradient(gc_conv_only=False) is strength = 1; with gc_conv_only=True it is
        ``on="Conv2d"``.

    Conflicts:
        WeightStandardization: doubtful. It lets through centered gradients only; there is nothing left to center.

    Example:
        >>> import torch
        >>> g = torch.tensor([[[1.0], [3.0]], [[5.0], [5.0]]])
        >>> GradientCentralization.torch(g, strength=1.0).squeeze(2)
        tensor([[-1.,  1.],
                [ 0.,  0.]])

    Paper:
        Yong et al., Gradient Centralization: A New Optimization Technique for Deep Neural Networks, 2020,
        https://arxiv.org/abs/2004.01461, equation 1.
    """

    strength: Strength = knob(1.0, "share of the mean that is subtracted", off=0.0, high=1.0)
    _: KW_ONLY
    on: str = knob(MATRICES, ON)

    matrix: ClassVar[bool] = True
    vanilla = staticmethod(gradient_centralization_vanilla)
    torch = staticmethod(gradient_centralization)
