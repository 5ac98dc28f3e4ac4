"""Confidence penalty: a network that is sure of everything pays for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from bridle.knobs import knob
from bridle.places import OutputLoss
from bridle.schedules import Strength


def confidence_penalty_vanilla(z: np.ndarray, *, strength: float) -> tuple[float, np.ndarray]:
    """Logits (batch, classes) -> the penalty, and its gradient in the shape of ``z``."""
    z = z - z.max(1, keepdims=True)  # or the exponential overflows
    logs = z - np.log(np.exp(z).sum(1, keepdims=True))
    p = np.exp(logs)
    entropy = -(p * logs).sum(1, keepdims=True)
    penalty = -strength * entropy.mean()
    gradient = strength * p * (logs + entropy) / len(z)
    return float(penalty), gradient


def confidence_penalty(z: Tensor, *, strength: float | Tensor) -> Tensor:
    """Logits (..., batch, classes) -> the penalty, (...)."""
    wide = z.float() if z.dtype.itemsize < 4 else z
    logs = wide.mT.log_softmax(-2)  # classes before rows: over the last of a few classes it is several times slower
    return (logs.exp() * logs * (strength / z.shape[-2])).sum((-2, -1)).to(z.dtype)


@dataclass(frozen=True, repr=False)
class ConfidencePenalty(OutputLoss):
    """Subtracts the entropy of the predicted probabilities from the loss, averaged over the rows of the batch.

    Formula:
        loss = data_loss - strength · mean over rows of H(p),   H(p) = -Σ p log p,   p = softmax(z),
        gradient: strength / rows · p · (log p + H(p))

    Helps when:
        The network is overconfident: its training loss is near zero, its wrong answers are as sure as its right ones.

    Hurts when:
        Labels are certain and probabilities are to be trusted as they are: it makes them too cautious. The network
        underfits.

    Conversion:
        The paper's β = strength. Cross-entropy with label smoothing is the same idea with the divergence turned around:
        that of the uniform distribution from p, not of p from the uniform one; the strengths do not convert.

    Example:
        >>> import torch
        >>> ConfidencePenalty(strength=1.0)(torch.tensor([[0.0, 0.0], [0.0, 100.0]]))  # -(log 2 + 0) / 2
        tensor(-0.3466)

    Paper:
        Pereyra et al., Regularizing Neural Networks by Penalizing Confident Output Distributions, 2017,
        https://arxiv.org/abs/1701.06548, section 3.
    """

    strength: Strength = knob(0.1, "worth of one nat of entropy", off=0.0, open_high=True, log=True, known_as=("beta",))

    known_as = ("EntropyPenalty",)
    classes_only: ClassVar[bool] = True
    vanilla = staticmethod(confidence_penalty_vanilla)
    torch = staticmethod(confidence_penalty)
