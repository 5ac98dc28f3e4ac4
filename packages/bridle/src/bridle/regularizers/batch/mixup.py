"""Mixup: halfway between two rows, the answer is halfway too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Batch, Draw
from bridle.schedules import Strength


def mixup_vanilla(
    x: np.ndarray, y: np.ndarray, u: np.ndarray, v: np.ndarray, *, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """(batch, features), (batch, outputs) and two uniform numbers (1, 1) -> the mixed batch."""
    # Devroye's one line for b ~ Beta(alpha, alpha), with w = u^(1 / alpha), less its random sign: so lam is the larger
    # of b and 1 - b, which settles no more than which row of a pair is called the first.
    with np.errstate(divide="ignore"):  # alpha = 0 (or u = 0): the logarithm of w is -inf, so w = 0 and lam = 1
        log_w = np.log(u) / alpha
    odds = np.exp(log_w) / -np.expm1(log_w)  # w / (1 - w)
    lam = 0.5 + 0.5 / np.sqrt(1 + odds / np.cos(2 * np.pi * v) ** 2)
    other_x, other_y = np.roll(x, 1, axis=0), np.roll(y, 1, axis=0)
    return lam * x + (1 - lam) * other_x, lam * y + (1 - lam) * other_y


def mixup(x: Tensor, y: Tensor, u: Tensor, v: Tensor, *, alpha: float | Tensor) -> tuple[Tensor, Tensor]:
    """(..., batch, features), (..., batch, outputs) and two uniform numbers (..., 1, 1) -> the mixed batch."""
    wide = torch.promote_types(x.dtype, torch.float32)
    log_w = torch.log(u.to(wide)) / alpha
    odds = torch.exp(log_w) / -torch.expm1(log_w)
    lam = 0.5 + 0.5 / torch.sqrt(1 + odds / torch.cos(2 * torch.pi * v.to(wide)).square())
    mixed = [lam * each + (1 - lam) * torch.roll(each, 1, -2) for each in (x, y)]
    return mixed[0].to(x.dtype), mixed[1].to(y.dtype)


@dataclass(frozen=True, repr=False)
class Mixup(Batch):
    """Trains on blends of two rows, with targets blended alike, so that the network is near linear between examples.

    Formula:
        x ← λ · x + (1 - λ) · x',   y ← λ · y + (1 - λ) · y',   λ = max(b, 1 - b),   b ~ Beta(alpha, alpha) for each
        batch;   x', y' are the row before: batches are shuffled, so it is a random one

    Helps when:
        A large network learns its rows by heart, labels are partly wrong, or probabilities are too sure of themselves.

    Hurts when:
        The network underfits (a large alpha makes it worse), or a blend of two rows means nothing, as of categories or
        of targets between which no row lies.

    Conversion:
        alpha in timm's Mixup(mixup_alpha=alpha, label_smoothing=0.0), torchvision's MixUp(alpha=alpha) and Composer's
        MixUp(alpha=alpha). timm smooths labels as well unless told not to.

    Conflicts:
        CutMix: doubtful. Each mixes rows and targets; one after the other leaves little of any row. Take one of them.

    Example:
        >>> import torch
        >>> x, y, noise = torch.tensor([[0.0], [4.0]]), torch.eye(2), torch.tensor([[0.5]])
        >>> Mixup.torch(x, y, noise, noise, alpha=1.0)
        (tensor([[0.5858],
                [3.4142]]), tensor([[0.8536, 0.1464],
                [0.1464, 0.8536]]))

    Paper:
        Zhang et al., mixup: Beyond Empirical Risk Minimization, 2018, https://arxiv.org/abs/1710.09412, section 2;
        one λ for a batch as in its figure 1. Beta: Devroye, Random Variate Generation in One Line of Code, 1996.
    """

    alpha: Strength = knob(
        0.2,
        "both parameters of the beta distribution: the larger, the more even the blend",
        off=0.0,
        open_high=True,
        log=True,
        known_as=("mixup_alpha",),
    )

    mixes_rows: ClassVar[bool] = True
    noise: ClassVar[tuple[Draw, ...]] = (Draw("uniform", "batch"), Draw("uniform", "batch"))
    vanilla = staticmethod(mixup_vanilla)
    torch = staticmethod(mixup)
