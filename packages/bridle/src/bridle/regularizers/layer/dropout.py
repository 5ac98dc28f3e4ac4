"""Dropout: no unit may rely on another being there."""

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

JUST_BELOW_ZERO = -1e-30  # nearer to it than two different numbers of 16 bits are to each other


def dropout_vanilla(
    h: np.ndarray, noise: np.ndarray, *, rate: float
) -> tuple[np.ndarray, Callable[[np.ndarray], tuple[np.ndarray]]]:
    """(batch, units) and noise in [0, 1) of that shape -> (batch, units), and the gradient function."""
    stays = noise >= rate  # each unit stays with probability 1 - rate
    share = 1 - rate

    def backward(g: np.ndarray) -> tuple[np.ndarray]:
        return (g * stays / share,)

    return h * stays / share, backward


def dropout(h: Tensor, noise: Tensor, *, rate: float | Tensor) -> Tensor:
    """(..., batch, units) and noise in [0, 1) of that shape -> (..., batch, units)."""
    one = h.new_tensor(1.0, dtype=torch.promote_types(h.dtype, torch.float32))  # in bfloat16, 1 - 0.999 is 0
    scale = 1 / (1 - one * rate)
    # -1 below the rate, 0 from it on: torch.where takes several times as long.
    falls = (noise - rate).floor_()
    return h * torch.addcmul(scale, falls, scale).to(h.dtype)


def dropout_with_gradient(
    h: Tensor, noise: Tensor, *, rate: float | Tensor
) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor]]]:
    """(..., batch, units) and noise in [0, 1) of that shape -> (..., batch, units), and the gradient function."""
    scale = 1 / (1 - h.new_tensor(1.0) * rate)
    above = noise - rate

    def masked(subject: Tensor) -> Tensor:
        # What relu's gradient does, in one pass and without a mask; above is zero where a unit just stays.
        out: Tensor = torch.ops.aten.threshold_backward(subject, above, JUST_BELOW_ZERO)
        return out.mul_(scale)

    return masked(h), lambda g: (masked(g),)


@dataclass(frozen=True, repr=False)
class Dropout(Layer):
    """Silences each unit with probability ``rate`` in every training step and scales up the rest to keep the mean.

    Formula:
        h ← h · m / (1 - rate),   m ~ Bernoulli(1 - rate) for each unit and example;   nothing in evaluation

    Helps when:
        The network is large for its data and trains long: it averages many thinned networks.

    Hurts when:
        The network underfits or is small; on the logits (the loss sees zeros); before a batch norm, whose running
        variance is then too large for evaluation; behind SELU, whose mean and variance it does not keep (AlphaDropout
        does); in convolutions, where what a pixel hides its neighbors still say (SpatialDropout, DropBlock).

    Conversion:
        torch's Dropout(p), Keras's Dropout(rate) and timm's drop_rate = rate. In the paper p, in TensorFlow 1
        keep_prob, is the share that stays: 1 - rate.

    Conflicts:
        BatchNorm, GhostBatchNorm: doubtful. A norm behind it remembers too large a variance; put it behind the last.

    Example:
        >>> import torch
        >>> h, noise = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[0.1, 0.6, 0.5]])
        >>> Dropout.torch(h, noise, rate=0.5)
        tensor([[0., 4., 6.]])
        >>> Dropout(rate=0.5).module()(torch.ones(2, 4)).shape  # as a module, in any network
        torch.Size([2, 4])

    Paper:
        Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014,
        https://jmlr.org/papers/v15/srivastava14a.html, section 4 (inverted, as in section 10). On batch norm: Li et
        al., Understanding the Disharmony between Dropout and Batch Normalization by Variance Shift, 2019,
        https://arxiv.org/abs/1801.05134.
    """

    rate: Strength = knob(
        0.5,
        "fraction of units dropped",
        off=0.0,
        high=1.0,
        open_high=True,
        known_as=("p", "drop_rate", "drop_prob", "dropout", "dropout_rate"),
        differs=("keep_prob",),
    )

    noise: ClassVar[tuple[Draw, ...]] = (Draw("uniform"),)
    vanilla = staticmethod(dropout_vanilla)
    torch = staticmethod(dropout)
    torch_with_gradient = staticmethod(dropout_with_gradient)

    @staticmethod
    def evaluate(h: Any, **numbers: Any) -> Any:
        """(batch, units) -> itself."""
        del numbers  # a trained network uses all of its units, whatever the rate was
        return h

    def make_module(self, units: int, axes: int) -> nn.Module:
        """torch's own, which draws its noise itself."""
        del units, axes  # it acts on each activation by itself
        return nn.Dropout(self.numbers()["rate"])
