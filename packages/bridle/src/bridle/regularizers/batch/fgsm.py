"""FGSM adversarial training: the smallest push that hurts most must not change the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Batch, Draw
from bridle.schedules import Strength


def fgsm_vanilla(
    x: np.ndarray, y: np.ndarray, noise: np.ndarray, slope: np.ndarray, *, radius: float, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """(batch, features), (batch, outputs), noise (batch, 1), slope like ``x`` -> the new rows, the same targets."""
    adversarial = x + radius * np.sign(slope)  # of all steps of this size in each feature, the steepest
    return np.where(noise < share, adversarial, x), y


def fgsm(
    x: Tensor, y: Tensor, noise: Tensor, slope: Tensor, *, radius: float | Tensor, share: float | Tensor
) -> tuple[Tensor, Tensor]:
    """(..., batch, features), (..., batch, outputs), noise (..., batch, 1), slope like ``x`` -> new rows, targets."""
    return torch.where(noise < share, x + radius * slope.sign(), x).to(x.dtype), y


@dataclass(frozen=True, repr=False)
class FGSM(Batch):
    """Trains partly on adversarial examples: rows moved by ``radius`` in each feature in the direction of more loss.

    Formula:
        x ← x + radius · sign(∂loss/∂x)   for a row with probability ``share``, else x;   nothing in evaluation.
        On average over the rows that is the paper's (1 - share) · loss(x) + share · loss(x + ...).

    Helps when:
        Small changes of the inputs, even the worst ones, must not change the answer, or the function is to be smooth.

    Hurts when:
        Time is short (each step needs a second pass forward and back), or the score on unchanged rows is all that
        counts. Attacks of more than one step still succeed. Inputs must be on one scale: standardize them first;
        categories are moved to values that no row has.

    Conversion:
        The paper's epsilon = radius, its alpha = 1 - share. Inputs divided by their deviation need radius = epsilon /
        deviation.

    Example:
        >>> import torch
        >>> x, slope = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[0.3, -5.0], [1.0, 1.0]])
        >>> y, noise = torch.eye(2), torch.tensor([[0.2], [0.7]])
        >>> FGSM.torch(x, y, noise, slope, radius=0.1, share=0.5)[0]
        tensor([[1.1000, 1.9000],
                [3.0000, 4.0000]])

    Paper:
        Goodfellow et al., Explaining and Harnessing Adversarial Examples, 2015, https://arxiv.org/abs/1412.6572,
        sections 4 to 6.
    """

    radius: Strength = knob(
        0.1, "how far each feature is moved", off=0.0, open_high=True, log=True, known_as=("epsilon", "eps")
    )
    share: Strength = knob(0.5, "fraction of rows that are moved", off=0.0, high=1.0, differs=("alpha",))

    known_as = ("FastGradientSign", "AdversarialTraining")
    noise: ClassVar[tuple[Draw, ...]] = (Draw("uniform", "row"),)
    extra_inputs = ("slope",)
    vanilla = staticmethod(fgsm_vanilla)
    torch = staticmethod(fgsm)
