"""Soft threshold (proximal L1): every weight gives the same amount, and one that has no more to give is zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Weight
from bridle.schedules import Strength


def soft_threshold_vanilla(w: np.ndarray, *, strength: float, lr: float) -> np.ndarray:
    """Any shape -> the same shape."""
    left = np.maximum(np.abs(w) - lr * strength, 0)
    return np.asarray(np.sign(w) * left)


def soft_threshold(w: Tensor, *, strength: float | Tensor, lr: float, out: Tensor | None = None) -> Tensor:
    """Any shape -> the same shape."""
    taken = (lr * w.new_tensor(1.0) * strength).to(w.dtype)
    return torch.sub(w, torch.clamp(w, -taken, taken), out=out)  # what lies within loses all of itself


@dataclass(frozen=True, repr=False)
class SoftThreshold(Weight):
    """Moves every weight by ``lr · strength`` towards zero behind the update, and leaves it there once it has arrived.

    Formula:
        w ← sign(w) · max(|w| - lr · strength, 0)

    Helps when:
        Weights shall be exactly zero: to see which inputs count, or for a smaller network. With SGD it minimizes
        data_loss(w) + strength · Σ |w|, which steps along the gradient of L1 only circle.

    Hurts when:
        Sparse weights are no faster on the hardware at hand (whole units are: GroupSoftThreshold). Of inputs that say
        the same, it keeps an arbitrary one. Under Adam a weight's steps are about lr whatever its gradient, so that
        strengths near 1 hold back everything, and the optimum is no longer that of L1.

    Conversion:
        L1(strength) and Keras's L1(l) = strength; scikit-learn's Lasso alpha = strength / 2 for the mean squared error.
        With momentum m it minimizes what plain SGD would with (1 - m) · strength.

    Conflicts:
        ElasticNet: doubtful. Its L1 part acts twice; take L2 beside SoftThreshold.
        EMA, SWA, Lookahead: doubtful. An average is zero only where all that went into it were: zeros become rare.
        WeightStandardization: doubtful. It subtracts a mean, so weights that are zero do not act as zeros.

    Example:
        >>> import torch
        >>> SoftThreshold(strength=0.5)(torch.tensor([3.0, -4.0, 0.01]), lr=0.1)
        tensor([ 2.9500, -3.9500,  0.0000])

    Paper:
        Daubechies, Defrise and De Mol, An Iterative Thresholding Algorithm for Linear Inverse Problems with a Sparsity
        Constraint, 2004, https://doi.org/10.1002/cpa.20042; Beck and Teboulle, A Fast Iterative Shrinkage-Thresholding
        Algorithm for Linear Inverse Problems, 2009, https://doi.org/10.1137/080716542, equations 1.4 and 1.5 (ISTA).
    """

    strength: Strength = knob(
        0.0001,
        "cost of one unit of absolute weight",
        off=0.0,
        open_high=True,
        log=True,
        known_as=("l1", "l"),
        differs=("alpha",),
    )

    known_as = ("SoftThresholding", "ProximalL1")
    step_inputs = ("lr",)
    after_update: ClassVar[bool] = True
    vanilla = staticmethod(soft_threshold_vanilla)
    torch = staticmethod(soft_threshold)
