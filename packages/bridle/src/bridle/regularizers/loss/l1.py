"""L1 (lasso): every weight pays the same for being there, so the ones that matter little go first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor, addcmul

from bridle.knobs import knob
from bridle.places import Loss
from bridle.schedules import Strength


def l1_vanilla(w: np.ndarray, *, strength: float) -> tuple[float, np.ndarray]:
    """Any shape -> the penalty, and its gradient in the shape of ``w``."""
    penalty = strength * np.abs(w).sum()
    gradient = strength * np.sign(w)  # at 0, where any slope from -1 to 1 would do, 0
    return float(penalty), gradient


def l1(w: Tensor, *, strength: float | Tensor) -> Tensor:
    """Any shape -> the penalty, a scalar."""
    return strength * w.abs().sum()


def add_l1_gradient(g: Tensor, w: Tensor, *, strength: float | Tensor, out: Tensor | None = None) -> Tensor:
    """Any shape, twice -> ``g`` plus the gradient of the penalty."""
    return addcmul(g, w.sign(), w.new_tensor(1.0) * strength, out=out)


@dataclass(frozen=True, repr=False)
class L1(Loss):
    """Adds the sum of absolute weights to the loss, which pulls every weight towards zero with the same force.

    Formula:
        loss(w) = data_loss(w) + strength · Σ |w|,   gradient: strength · sign(w), 0 at w = 0

    Helps when:
        Few of many inputs matter, and one wants to see which: the weights of the others become very small.

    Hurts when:
        Weights shall be exactly zero: steps along this gradient jump to and fro across zero and do not stop there, with
        SGD or Adam (use SoftThreshold). Of inputs that say the same, it keeps an arbitrary one (use ElasticNet). Adam
        divides the gradient by its own size, so the strength matters little where the data are silent.

    Conversion:
        Keras's L1(l) = strength; scikit-learn's Lasso alpha = strength / 2 for the mean squared error.

    Conflicts:
        SoftThreshold: doubtful. Both pull every weight by a fixed amount, so it acts twice; keep SoftThreshold.

    Example:
        >>> import torch
        >>> w = torch.tensor([3.0, -4.0, 0.0])
        >>> L1(strength=0.5)(w)
        tensor(3.5000)
        >>> L1.vanilla(w.double().numpy(), strength=0.5)[1]
        array([ 0.5, -0.5,  0. ])

    Paper:
        Tibshirani, Regression Shrinkage and Selection via the Lasso, 1996,
        https://doi.org/10.1111/j.2517-6161.1996.tb02080.x, equation 1, its bound written as a penalty.
    """

    strength: Strength = knob(
        0.0001,
        "cost of one unit of absolute weight",
        off=0.0,
        open_high=True,
        log=True,
        known_as=("l1", "l", "lambda", "lam"),
        differs=("alpha",),
    )

    known_as = ("Lasso",)
    vanilla = staticmethod(l1_vanilla)
    torch = staticmethod(l1)
    add_gradient = staticmethod(add_l1_gradient)
