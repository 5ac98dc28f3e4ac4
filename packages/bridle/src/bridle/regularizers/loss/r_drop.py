"""R-Drop: two networks thinned by dropout shall say the same of one example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from bridle.knobs import knob
from bridle.places import PassLoss
from bridle.schedules import Strength


def r_drop_vanilla(z: np.ndarray, other: np.ndarray, *, strength: float) -> tuple[float, np.ndarray, np.ndarray]:
    """Logits (batch, classes), twice -> the penalty, and its gradients in their shapes."""
    rows, logs, other_logs = len(z), log_softmax_vanilla(z), log_softmax_vanilla(other)
    p, q, apart = np.exp(logs), np.exp(other_logs), logs - other_logs
    there = (p * apart).sum(1, keepdims=True)  # KL(p ‖ q) of each row
    back = -(q * apart).sum(1, keepdims=True)  # KL(q ‖ p)
    penalty = strength * (there + back).sum() / 2 / rows
    gradient = strength * (p * (apart - there) + p - q) / 2 / rows
    other_gradient = strength * (q * (-apart - back) + q - p) / 2 / rows
    return float(penalty), gradient, other_gradient


def log_softmax_vanilla(z: np.ndarray) -> np.ndarray:
    """Logits (batch, classes) -> the logarithms of the probabilities."""
    z = z - z.max(1, keepdims=True)  # or the exponential overflows
    logs: np.ndarray = z - np.log(np.exp(z).sum(1, keepdims=True))
    return logs


def r_drop(z: Tensor, other: Tensor, *, strength: float | Tensor) -> Tensor:
    """Logits (..., batch, classes), twice -> the penalty, (...)."""
    logs, other_logs = log_probabilities(z), log_probabilities(other)
    both_ways = (logs.exp() - other_logs.exp()) * (logs - other_logs)  # the sum of the two divergences, never below 0
    return (both_ways * (strength / (2 * z.shape[-2]))).sum((-2, -1)).to(z.dtype)


def log_probabilities(z: Tensor) -> Tensor:
    """(..., batch, classes) -> (..., classes, batch): over the last of a few classes it is several times slower."""
    wide = z.float() if z.dtype.itemsize < 4 else z
    return wide.mT.log_softmax(-2)


@dataclass(frozen=True, repr=False)
class RDrop(PassLoss):
    """Passes each batch through the network twice, under different dropout, and adds how far the predictions differ.

    Formula:
        loss = data_loss + strength · mean over rows of ½ · (KL(p ‖ q) + KL(q ‖ p)),
        p and q: the probabilities predicted in the two passes;   the data loss is that of the first pass

    Helps when:
        The network has dropout: in evaluation it is a single network without it, which then differs less from those
        that were trained.

    Hurts when:
        Time is short (two passes a step). No layer of the recipe is random: then the passes agree, and it costs a pass
        for nothing. A large strength prefers predictions that are equal to predictions that are right.

    Conversion:
        The paper's α = 2 · strength, since it adds the data losses of both passes; the α in the example of its code,
        which takes that of one, = strength, for divergences averaged over the rows.

    Example:
        >>> import torch
        >>> z, other = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 1.0]])
        >>> RDrop(strength=1.0)(z, other), RDrop(strength=1.0)(z, z)
        (tensor(0.1155), tensor(0.))

    Paper:
        Wu et al., R-Drop: Regularized Dropout for Neural Networks, 2021, https://arxiv.org/abs/2106.14448, equation 2.
    """

    strength: Strength = knob(
        1.0, "cost of one nat between the passes", off=0.0, open_high=True, log=True, differs=("alpha",)
    )

    classes_only: ClassVar[bool] = True
    fresh_noise: ClassVar[bool] = True
    vanilla = staticmethod(r_drop_vanilla)
    torch = staticmethod(r_drop)
