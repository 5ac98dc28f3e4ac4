"""DropConnect: no unit may rely on any one of its connections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Draw, WeightLayer
from bridle.schedules import Strength


def drop_connect_vanilla(
    w: np.ndarray, noise: np.ndarray, *, rate: float
) -> tuple[np.ndarray, Callable[[np.ndarray], tuple[np.ndarray]]]:
    """(outputs, inputs, positions) and noise in [0, 1) of that shape -> the same shape, the gradient function."""
    stays = noise >= rate  # each weight stays with probability 1 - rate
    share = 1 - rate

    def backward(g: np.ndarray) -> tuple[np.ndarray]:
        return (g * stays / share,)

    return w * stays / share, backward


def drop_connect(w: Tensor, noise: Tensor, *, rate: float | Tensor) -> Tensor:
    """(..., outputs, inputs, positions) and noise in [0, 1) of that shape -> the weight as it acts."""
    scale = 1 / (1 - noise.new_tensor(1.0) * rate)
    falls = (noise - rate).floor_()  # -1 below the rate, 0 from it on
    return (w * torch.addcmul(scale, falls, scale)).to(w.dtype)


@dataclass(frozen=True, repr=False)
class DropConnect(WeightLayer):
    """Leaves out each weight with probability ``rate`` in every training step and scales up the rest to keep the mean.

    Formula:
        w ← w · m / (1 - rate),   m ~ Bernoulli(1 - rate) for each weight, one draw for the whole batch;
        the weights themselves in evaluation

    Helps when:
        Layers are wide and fully connected. A recurrent network needs the same mask at every step of a sequence, which
        a mask on its weights gives, and one on its units does not (AWD-LSTM).

    Hurts when:
        The network underfits, or has few weights per unit (small kernels). All examples of a batch share one mask, so
        gradients are noisier than under Dropout; the paper draws one per example, at the cost of a weight matrix each.

    Conversion:
        fastai's WeightDropout(weight_p) = rate. The paper's p is the share that stays: p = 1 - rate; it drops biases as
        well, and averages in evaluation over Gaussian units where this (and fastai) takes the mean weights.

    Example:
        >>> import torch
        >>> w, noise = torch.tensor([[[1.0], [2.0]]]), torch.tensor([[[0.1], [0.6]]])
        >>> DropConnect.torch(w, noise, rate=0.5).tolist()
        [[[0.0], [4.0]]]
        >>> DropConnect(rate=0.5).parametrize(torch.nn.Linear(4, 8)).weight.shape  # of a layer in any network
        torch.Size([8, 4])

    Paper:
        Wan et al., Regularization of Neural Networks using DropConnect, 2013,
        https://proceedings.mlr.press/v28/wan13.html, algorithm 1; with the mean weights: Merity, Keskar and Socher,
        Regularizing and Optimizing LSTM Language Models, 2017, https://arxiv.org/abs/1708.02182, section 2.
    """

    rate: Strength = knob(
        0.5,
        "fraction of weights left out",
        off=0.0,
        high=1.0,
        open_high=True,
        known_as=("weight_p", "weight_dropout"),
        differs=("p",),
    )

    known_as = ("WeightDropout", "WeightDrop")
    noise: ClassVar[tuple[Draw, ...]] = (Draw("uniform"),)
    vanilla = staticmethod(drop_connect_vanilla)
    torch = staticmethod(drop_connect)

    @staticmethod
    def evaluate(w: Any, **numbers: Any) -> Any:
        """(outputs, inputs, positions) -> itself."""
        del numbers  # a trained layer uses all of its weights, whatever the rate was
        return w
