"""Unit norm: a unit is a direction and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.places import Weight

TINY = 1e-12  # the least length that is divided by: zeros have no direction, and stay


def unit_norm_vanilla(w: np.ndarray) -> np.ndarray:
    """(outputs, inputs, positions) -> the same shape."""
    length = np.sqrt((w**2).sum((-2, -1), keepdims=True))
    directions: np.ndarray = w / np.maximum(length, TINY)
    return directions


def unit_norm(w: Tensor, *, out: Tensor | None = None) -> Tensor:
    """(..., outputs, inputs, positions) -> the same shape."""
    length = torch.linalg.vector_norm(w, dim=(-2, -1), keepdim=True)
    return torch.div(w, length.clamp(min=TINY), out=out)


@dataclass(frozen=True, repr=False)
class UnitNorm(Weight):
    """Gives, behind every update, the weights into each unit the length 1.

    Formula:
        wᵢ ← wᵢ / max(‖wᵢ‖, 1e-12),   i: the weights into one unit, of a convolution one filter

    Helps when:
        The lengths have no meaning, as before a norm: directions then turn by the learning rate alone, and not the less
        the longer the weights have grown. Where units shall be comparable, such as prototypes or the atoms of a code.

    Hurts when:
        The lengths matter: no unit can say that it is unsure, or does not count; the logits of an output layer cannot
        grow (choose layers with ``on``). The scale of the initialization is lost at the first update.

    Conversion:
        Keras's UnitNorm, with axis=0 for Dense, whose kernels are (inputs, outputs), and axis=[0, 1, 2] for Conv2D; it
        adds 1e-7 to the length. torch.nn.functional.normalize(w, dim=1), for matrices, is the same.

    Conflicts:
        MaxNorm: doubtful. All lengths are 1 already, so a limit has nothing to do or undoes it; keep one.
        WeightDecay, L2: doubtful. The length that they take is given back; what is left is a higher learning rate.

    Example:
        >>> import torch
        >>> w = torch.tensor([[3.0, 4.0], [0.0, 0.5]])
        >>> UnitNorm()(w)
        tensor([[0.6000, 0.8000],
                [0.0000, 1.0000]])

    Paper:
        Huang et al., Projection Based Weight Normalization for Deep Neural Networks, 2017,
        https://arxiv.org/abs/1710.02338, its projection at every step.
    """

    after_update: ClassVar[bool] = True
    matrix: ClassVar[bool] = True
    vanilla = staticmethod(unit_norm_vanilla)
    torch = staticmethod(unit_norm)
