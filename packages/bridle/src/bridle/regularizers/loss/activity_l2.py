"""L2 on activations: no unit shall shout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from bridle.knobs import knob
from bridle.places import ActivityLoss
from bridle.schedules import Strength


def activity_l2_vanilla(h: np.ndarray, *, strength: float) -> tuple[float, np.ndarray]:
    """(batch, units) -> the penalty, and its gradient in the shape of ``h``."""
    rows = len(h)
    penalty = strength * (h**2).sum() / rows
    gradient = strength * 2 * h / rows
    return float(penalty), gradient


def activity_l2(h: Tensor, *, strength: float | Tensor) -> Tensor:
    """(..., batch, units) -> the penalty, (...)."""
    total = h.square().sum((-2, -1), keepdim=True)
    return (total * (strength / h.shape[-2])).sum((-2, -1))


@dataclass(frozen=True, repr=False)
class ActivityL2(ActivityLoss):
    """Adds the sum of squared activations to the loss, averaged over the rows of the batch.

    Formula:
        loss = data_loss + strength · mean over rows of Σ h² over units;   the positions of images count as rows

    Helps when:
        Activations grow over the training: recurrent networks, deep ones without norms, low precision.

    Hurts when:
        It stands behind a norm, whose output has a fixed size in the first place, or the network underfits. It does not
        make activations sparse: a small one costs next to nothing (use ActivityL1).

    Conversion:
        Keras's ActivityRegularization(l2) = strength for plain layers; where there are positions, strength / positions,
        since Keras divides by the batch size alone. The alpha of AWD-LSTM and of fastai's RNNRegularizer, which average
        over the units as well, = strength · units.

    Example:
        >>> import torch
        >>> ActivityL2(strength=0.1)(torch.tensor([[1.0, -2.0], [0.0, 3.0]]))  # 0.1 * (5 + 9) / 2
        tensor(0.7000)

    Paper:
        Merity, McCann and Socher, Revisiting Activation Regularization for Language RNNs, 2017,
        https://arxiv.org/abs/1708.01009, section 3 (activation regularization).
    """

    strength: Strength = knob(
        0.001,
        "cost of one unit of squared activation",
        off=0.0,
        open_high=True,
        log=True,
        known_as=("l2",),
        differs=("alpha",),
    )

    known_as = ("ActivityRegularization",)
    vanilla = staticmethod(activity_l2_vanilla)
    torch = staticmethod(activity_l2)
