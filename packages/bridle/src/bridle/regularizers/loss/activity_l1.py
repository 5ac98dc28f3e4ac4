"""L1 on activations: a unit that speaks costs, so for each example most are silent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from bridle.knobs import knob
from bridle.places import ActivityLoss
from bridle.schedules import Strength


def activity_l1_vanilla(h: np.ndarray, *, strength: float) -> tuple[float, np.ndarray]:
    """(batch, units) -> the penalty, and its gradient in the shape of ``h``."""
    rows = len(h)
    penalty = strength * np.abs(h).sum() / rows
    gradient = strength * np.sign(h) / rows  # at 0, where any slope from -1 to 1 would do, 0
    return float(penalty), gradient


def activity_l1(h: Tensor, *, strength: float | Tensor) -> Tensor:
    """(..., batch, units) -> the penalty, (...)."""
    total = h.abs().sum((-2, -1), keepdim=True)
    return (total * (strength / h.shape[-2])).sum((-2, -1))


@dataclass(frozen=True, repr=False)
class ActivityL1(ActivityLoss):
    """Adds the sum of absolute activations to the loss, averaged over the rows of the batch.

    Formula:
        loss = data_loss + strength · mean over rows of Σ |h| over units;   the positions of images count as rows

    Helps when:
        Representations shall be sparse: few active units for each example, easier to read and often to transfer. A ReLU
        makes them exactly zero.

    Hurts when:
        Units die: with ReLU, one that is silent for all examples has no gradient to come back with. Behind a norm, that
        scales the activations up again, or with a saturating activation such as tanh.

    Conversion:
        Keras's ActivityRegularization(l1) = strength for plain layers; where there are positions, strength / positions,
        since Keras divides by the batch size alone.

    Example:
        >>> import torch
        >>> ActivityL1(strength=0.1)(torch.tensor([[1.0, -2.0], [0.0, 3.0]]))  # 0.1 * (3 + 3) / 2
        tensor(0.3000)

    Paper:
        Glorot, Bordes and Bengio, Deep Sparse Rectifier Neural Networks, 2011,
        https://proceedings.mlr.press/v15/glorot11a.html, section 3.
    """

    strength: Strength = knob(
        0.001, "cost of one unit of absolute activation", off=0.0, open_high=True, log=True, known_as=("l1",)
    )

    known_as = ("ActivityRegularization",)
    vanilla = staticmethod(activity_l1_vanilla)
    torch = staticmethod(activity_l1)
