"""L2 (ridge): large weights cost, so a weight grows only where the data pays for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor, addcmul

from bridle.knobs import knob
from bridle.places import Loss
from bridle.schedules import Strength


def l2_vanilla(w: np.ndarray, *, strength: float) -> tuple[float, np.ndarray]:
    """Any shape -> the penalty, and its gradient in the shape of ``w``."""
    length = np.linalg.norm(w)  # of all weights as one arrow: [3, 4] is 5 long, as in the notebook
    penalty = strength * length**2
    gradient = strength * 2 * w
    return float(penalty), gradient


def l2(w: Tensor, *, strength: float | Tensor) -> Tensor:
    """Any shape -> the penalty, a scalar."""
    return strength * w.square().sum()


def add_l2_gradient(g: Tensor, w: Tensor, *, strength: float | Tensor, out: Tensor | None = None) -> Tensor:
    """Any shape, twice -> ``g`` plus the gradient of the penalty, in one pass."""
    return addcmul(g, w, w.new_tensor(2.0) * strength, out=out)


@dataclass(frozen=True, repr=False)
class L2(Loss):
    """Adds the sum of squared weights to the loss, which pulls every weight towards zero in proportion to its size.

    Formula:
        loss(w) = data_loss(w) + strength · Σ w²,   gradient: 2 · strength · w

    Helps when:
        The network is linear or trained with SGD, inputs are many or correlated, data are few.

    Hurts when:
        Adam or another adaptive optimizer trains it: the penalty's gradient is divided by the gradient's own size, so
        the strength hardly matters (use WeightDecay). Before a batch norm it only changes the learning rate.

    Conversion:
        torch's weight_decay = 2 · strength; Keras's L2(l) = strength; scikit-learn's Ridge alpha = strength · n for the
        mean squared error over n rows; MLPClassifier's alpha = 2 · strength · batch size.

    Conflicts:
        WeightDecay: doubtful. Both shrink the weights, so it acts twice; keep L2 with SGD, WeightDecay with Adam.

    Example:
        >>> import torch
        >>> w = torch.tensor([3.0, 4.0])
        >>> L2(strength=0.001)(w)  # the notebook's: 0.001 * norm ** 2
        tensor(0.0250)
        >>> L2.vanilla(w.double().numpy(), strength=1.0)[1]  # the gradient, by hand
        array([6., 8.])

    Paper:
        Hoerl and Kennard, Ridge Regression: Biased Estimation for Nonorthogonal Problems, 1970,
        https://doi.org/10.1080/00401706.1970.10488634; for networks: Krogh and Hertz, A Simple Weight Decay Can
        Improve Generalization, 1991, equation 1.
    """

    strength: Strength = knob(
        0.0001,
        "cost of one unit of squared weight",
        off=0.0,
        open_high=True,
        log=True,
        known_as=("l2", "l", "lambda", "lam"),
        differs=("weight_decay", "alpha"),
    )

    known_as = ("Ridge", "Tikhonov")
    vanilla = staticmethod(l2_vanilla)
    torch = staticmethod(l2)
    add_gradient = staticmethod(add_l2_gradient)
