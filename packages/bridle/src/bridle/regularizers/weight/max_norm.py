"""Max-norm: a unit may point wherever it likes, but its weights may not grow longer than a limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Weight
from bridle.schedules import Strength


def max_norm_vanilla(w: np.ndarray, *, limit: float) -> np.ndarray:
    """(outputs, inputs, positions) -> the same shape."""
    length = np.sqrt((w**2).sum((-2, -1), keepdims=True))
    shortened: np.ndarray = w / np.maximum(length / limit, 1)
    return shortened


def max_norm(w: Tensor, *, limit: float | Tensor, out: Tensor | None = None) -> Tensor:
    """(..., outputs, inputs, positions) -> the same shape."""
    excess = (torch.linalg.vector_norm(w, dim=(-2, -1), keepdim=True) / limit).clamp(min=1)
    return torch.div(w, excess.to(w.dtype), out=out)


@dataclass(frozen=True, repr=False)
class MaxNorm(Weight):
    """Shortens, behind every update, the weights into each unit to the length ``limit`` where they are longer.

    Formula:
        wᵢ ← wᵢ / max(1, ‖wᵢ‖ / limit),   i: the weights into one unit, of a convolution one filter

    Helps when:
        Steps are large: with dropout and a high learning rate weights wander far without growing out of bounds. Below
        the limit nothing is pulled anywhere.

    Hurts when:
        The limit is on the output layer of a classifier, whose confidence it bounds (choose layers with ``on``); or
        the scale of a unit has no meaning, as before a batch norm.

    Conversion:
        Keras's MaxNorm(max_value) = limit with axis=0 for Dense, whose kernels are (inputs, outputs), and with
        axis=[0, 1, 2] for Conv2D; its default, 2, is smaller. torch.renorm(w, 2, 0, maxnorm) = limit. Both add 1e-7 to
        the length.

    Conflicts:
        BatchNorm, GhostBatchNorm: doubtful. The length of a row before it has no effect but on the learning rate.
        WeightNorm, WeightStandardization: doubtful. They divide the length out: only the learning rate changes.
        LayerNorm, GroupNorm, RMSNorm: doubtful. What all rows share is divided out: only their proportions count.

    Example:
        >>> import torch
        >>> w = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
        >>> MaxNorm(limit=1.0)(w)
        tensor([[0.6000, 0.8000],
                [0.3000, 0.4000]])

    Paper:
        Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014,
        https://jmlr.org/papers/v15/srivastava14a.html, section 5.1; before it, of factors of a matrix: Srebro and
        Shraibman, Rank, Trace-Norm and Max-Norm, 2005, https://doi.org/10.1007/11503415_37.
    """

    limit: Strength = knob(
        3.0,
        "greatest length of the weights into a unit",
        off=float("inf"),
        open_low=True,
        log=True,
        known_as=("max_value", "max_norm", "maxnorm", "c"),
    )

    known_as = ("MaxNormConstraint",)
    after_update: ClassVar[bool] = True
    matrix: ClassVar[bool] = True
    vanilla = staticmethod(max_norm_vanilla)
    torch = staticmethod(max_norm)
