"""Elastic net: L1 chooses among the weights, L2 keeps together those that belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor, addcmul

from bridle.knobs import knob
from bridle.places import Loss
from bridle.schedules import Strength


def elastic_net_vanilla(w: np.ndarray, *, strength: float, ratio: float) -> tuple[float, np.ndarray]:
    """Any shape -> the penalty, and its gradient in the shape of ``w``."""
    penalty = strength * (ratio * np.abs(w).sum() + (1 - ratio) * (w**2).sum())
    gradient = strength * (ratio * np.sign(w) + (1 - ratio) * 2 * w)
    return float(penalty), gradient


def elastic_net(w: Tensor, *, strength: float | Tensor, ratio: float | Tensor) -> Tensor:
    """Any shape -> the penalty, a scalar."""
    return strength * ratio * w.abs().sum() + strength * (1 - ratio) * w.square().sum()


def add_elastic_net_gradient(
    g: Tensor, w: Tensor, *, strength: float | Tensor, ratio: float | Tensor, out: Tensor | None = None
) -> Tensor:
    """Any shape, twice -> ``g`` plus the gradient of the penalty."""
    one, sign = w.new_tensor(1.0), w.sign()
    squares = addcmul(g, w, one * (2 * strength * (1 - ratio)), out=out)
    return squares.addcmul_(sign, one * (strength * ratio))


@dataclass(frozen=True, repr=False)
class ElasticNet(Loss):
    """Adds a mixture of the sum of absolute and the sum of squared weights to the loss.

    Formula:
        loss(w) = data_loss(w) + strength · (ratio · Σ |w| + (1 - ratio) · Σ w²),
        gradient: strength · (ratio · sign(w) + (1 - ratio) · 2 · w);   ratio 1 is L1, ratio 0 is L2

    Helps when:
        Few of many inputs matter and they come in correlated groups: L1 alone keeps one of a group, this all of it.

    Hurts when:
        Weights shall be exactly zero (as with L1, use SoftThreshold, and L2 beside it), or nothing is known of how the
        two should be mixed: it is two strengths to search for instead of one.

    Conversion:
        Keras's L1L2(l1 = strength · ratio, l2 = strength · (1 - ratio)); scikit-learn's ElasticNet, whose squares come
        with a half, for the mean squared error: alpha = strength · (1 - ratio / 2), l1_ratio = ratio / (2 - ratio).

    Conflicts:
        L1, L2: doubtful. The same pull acts twice; put all of it into ElasticNet's strength and ratio.
        WeightDecay: doubtful. Both shrink the weights; keep one of them, or take L1 beside WeightDecay.

    Example:
        >>> import torch
        >>> w = torch.tensor([3.0, -4.0, 0.0])
        >>> ElasticNet(strength=0.1, ratio=0.5)(w)  # 0.1 * (0.5 * 7 + 0.5 * 25)
        tensor(1.6000)

    Paper:
        Zou and Hastie, Regularization and Variable Selection via the Elastic Net, 2005,
        https://doi.org/10.1111/j.1467-9868.2005.00503.x, section 2.1 (ratio = 1 - α, strength = λ1 + λ2).
    """

    strength: Strength = knob(
        0.0001, "cost of a weight of one", off=0.0, open_high=True, log=True, differs=("l1", "l2", "alpha")
    )
    ratio: Strength = knob(
        0.5, "share of the absolute weights; the rest is that of their squares", high=1.0, differs=("l1_ratio",)
    )

    known_as = ("L1L2",)
    vanilla = staticmethod(elastic_net_vanilla)
    torch = staticmethod(elastic_net)
    add_gradient = staticmethod(add_elastic_net_gradient)
