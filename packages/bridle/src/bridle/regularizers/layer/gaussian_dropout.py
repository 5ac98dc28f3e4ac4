"""Gaussian dropout: what each unit says is multiplied by a number around one, not silenced outright."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Draw, Layer
from bridle.schedules import Strength


def gaussian_dropout_vanilla(
    h: np.ndarray, noise: np.ndarray, *, rate: float
) -> tuple[np.ndarray, Callable[[np.ndarray], tuple[np.ndarray]]]:
    """(batch, units) and standard normal noise of that shape -> (batch, units), and the gradient function."""
    deviation = (rate / (1 - rate)) ** 0.5  # that of Bernoulli(1 - rate) / (1 - rate)
    factor = 1 + deviation * noise

    def backward(g: np.ndarray) -> tuple[np.ndarray]:
        return (g * factor,)

    return h * factor, backward


def gaussian_dropout(h: Tensor, noise: Tensor, *, rate: float | Tensor) -> Tensor:
    """(..., batch, units) and standard normal noise of that shape -> (..., batch, units)."""
    deviation = (rate / (1 - rate)) ** 0.5
    return (h * (1 + deviation * noise)).to(h.dtype)


@dataclass(frozen=True, repr=False)
class GaussianDropout(Layer):
    """Multiplies each unit by Gaussian noise of the mean and the variance that the factors of Dropout have.

    Formula:
        h ← h · n,   n ~ Normal(1, rate / (1 - rate)) for each unit and example;   nothing in evaluation

    Helps when:
        As Dropout does, where no unit should be silent: every unit gets a gradient in every step.

    Hurts when:
        The rate is high: at 0.5 already, one factor in six is negative. The network underfits, or a batch norm comes
        behind it, whose running variance is then too large for evaluation.

    Conversion:
        Keras's GaussianDropout(rate) = rate. The paper's σ² = (1 - p) / p, where p is the share that stays: 1 - rate.
        Variational dropout's alpha = rate / (1 - rate).

    Conflicts:
        BatchNorm, GhostBatchNorm: doubtful. A norm behind it remembers too large a variance; put it behind the last.
        Dropout, SpatialDropout, DropBlock: doubtful. Where both act their noise compounds; keep one.

    Example:
        >>> import torch
        >>> h, noise = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[-1.0, 0.0, 0.5]])
        >>> GaussianDropout.torch(h, noise, rate=0.5)
        tensor([[0.0000, 2.0000, 4.5000]])
        >>> GaussianDropout(rate=0.5).module()(torch.ones(2, 4)).shape  # as a module, in any network
        torch.Size([2, 4])

    Paper:
        Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014,
        https://jmlr.org/papers/v15/srivastava14a.html, section 10.
    """

    rate: Strength = knob(
        0.5,
        "rate of the Dropout that has this variance",
        off=0.0,
        high=1.0,
        open_high=True,
        known_as=("dropout_rate",),
        differs=("p", "alpha"),
    )

    known_as = ("VariationalDropout",)
    noise: ClassVar[tuple[Draw, ...]] = (Draw("normal"),)
    vanilla = staticmethod(gaussian_dropout_vanilla)
    torch = staticmethod(gaussian_dropout)

    @staticmethod
    def evaluate(h: Any, **numbers: Any) -> Any:
        """(batch, units) -> itself."""
        del numbers  # the noise has mean 1
        return h
