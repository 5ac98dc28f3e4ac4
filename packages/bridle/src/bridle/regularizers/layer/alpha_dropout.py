"""Alpha dropout: a dropped unit falls to SELU's floor, and mean and variance stay where SELU holds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from bridle.knobs import knob
from bridle.places import Draw, Layer
from bridle.schedules import Strength

FLOOR = -1.7580993408473766  # the paper's α': what SELU tends to far below zero


def alpha_dropout_vanilla(
    h: np.ndarray, noise: np.ndarray, *, rate: float
) -> tuple[np.ndarray, Callable[[np.ndarray], tuple[np.ndarray]]]:
    """(batch, units) and noise in [0, 1) of that shape -> (batch, units), and the gradient function."""
    dropped = (noise < rate).astype(h.dtype)
    stays = 1 - dropped
    a = ((1 - rate) * (1 + rate * FLOOR**2)) ** -0.5  # gives the variance back, and what is subtracted the mean

    def backward(g: np.ndarray) -> tuple[np.ndarray]:
        return (g * stays * a,)

    return (h * stays + FLOOR * (dropped - rate)) * a, backward


def alpha_dropout(h: Tensor, noise: Tensor, *, rate: float | Tensor) -> Tensor:
    """(..., batch, units) and noise in [0, 1) of that shape -> (..., batch, units)."""
    stays = torch.floor(noise - rate).add(1)  # 0 below the rate, 1 from it on
    a = ((1 - rate) * (1 + rate * FLOOR**2)) ** -0.5
    shift = (1 - stays - rate) * (a * FLOOR)
    return (h * (stays * a) + shift).to(h.dtype)


@dataclass(frozen=True, repr=False)
class AlphaDropout(Layer):
    """Sets each unit to SELU's lowest value with probability ``rate``, then rescales to keep mean 0 and variance 1.

    Formula:
        h ← a · (m · h + (1 - m) · α') + b,   m ~ Bernoulli(1 - rate) for each unit and example,   α' = -1.7581,
        a = ((1 - rate) · (1 + rate · α'²))^-½,   b = -a · rate · α';   nothing in evaluation

    Helps when:
        Activations are SELU and weights start with variance 1/inputs, so that units keep mean 0 and variance 1 from
        layer to layer without a norm: plain dropout raises the variance, this leaves it. The paper takes 0.05 or 0.1.

    Hurts when:
        Activations are anything else: behind ReLU it changes the mean, and at rate 0.5 triples the variance. Weights of
        another variance, torch's default among them (1 / (3 · inputs)), let the variance die out all the same.

    Conversion:
        torch's AlphaDropout(p) = rate; Keras's AlphaDropout(rate) = rate.

    Conflicts:
        Dropout, SpatialDropout, GaussianDropout, DropBlock: doubtful. They change the variance that it keeps; keep one.

    Example:
        >>> import torch
        >>> h, noise = torch.tensor([[-1.0, 0.0, 1.0]]), torch.tensor([[0.1, 0.6, 0.5]])
        >>> AlphaDropout.torch(h, noise, rate=0.5)  # zero has become something else, as all have
        tensor([[-0.7792,  0.7792,  1.6656]])
        >>> AlphaDropout(rate=0.5).module()(torch.ones(2, 4)).shape  # as a module, in any network
        torch.Size([2, 4])

    Paper:
        Klambauer et al., Self-Normalizing Neural Networks, 2017, https://arxiv.org/abs/1706.02515, section 2, "New
        Dropout Technique".
    """

    rate: Strength = knob(
        0.1, "fraction of units dropped", off=0.0, high=1.0, open_high=True, known_as=("p", "dropout_rate")
    )

    noise: ClassVar[tuple[Draw, ...]] = (Draw("uniform"),)
    vanilla = staticmethod(alpha_dropout_vanilla)
    torch = staticmethod(alpha_dropout)

    @staticmethod
    def evaluate(h: Any, **numbers: Any) -> Any:
        """(batch, units) -> itself."""
        del numbers  # a trained network uses all of its units, whatever the rate was
        return h

    def make_module(self, units: int, axes: int) -> nn.Module:
        """torch's own, which draws its noise itself."""
        del units, axes  # it acts on each activation by itself
        return nn.AlphaDropout(self.numbers()["rate"])
