"""Spatial dropout: neighboring pixels say the same, so a whole feature map goes, or none of it."""

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


def spatial_dropout_vanilla(
    h: np.ndarray, noise: np.ndarray, *, rate: float
) -> tuple[np.ndarray, Callable[[np.ndarray], tuple[np.ndarray]]]:
    """(batch, channels, height, width) and noise in [0, 1), (batch, channels, 1, 1) -> like ``h``, its gradient."""
    stays = noise >= rate  # each channel of each example stays with probability 1 - rate
    share = 1 - rate

    def backward(g: np.ndarray) -> tuple[np.ndarray]:
        return (g * stays / share,)

    return h * stays / share, backward


def spatial_dropout(h: Tensor, noise: Tensor, *, rate: float | Tensor) -> Tensor:
    """(..., batch, channels, height, width) and noise in [0, 1), (..., batch, channels, 1, 1) -> like ``h``."""
    stays = torch.floor(noise - rate).add(1)  # 0 below the rate, 1 from it on
    return (h * (stays / (1 - rate))).to(h.dtype)


@dataclass(frozen=True, repr=False)
class SpatialDropout(Layer):
    """Silences each channel of each example as a whole with probability ``rate``, and scales up the rest.

    Formula:
        h ← h · m / (1 - rate),   m ~ Bernoulli(1 - rate) for each example and channel, the same at all positions;
        nothing in evaluation. Where there are no positions, it is Dropout.

    Helps when:
        Layers are convolutions: neighboring positions are so alike that dropping one by one hides nothing.

    Hurts when:
        There are few channels, the network underfits, or a batch norm comes behind it, whose running variance is then
        too large for evaluation.

    Conversion:
        torch's Dropout1d, Dropout2d and Dropout3d(p) = rate; Keras's SpatialDropout1D, 2D and 3D(rate) = rate.

    Conflicts:
        BatchNorm, GhostBatchNorm: doubtful. A norm behind it remembers too large a variance; put it behind the last.
        Dropout, DropBlock: doubtful. Where both act their rates compound; keep one, or give each its own at.

    Example:
        >>> import torch
        >>> h, noise = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]]), torch.tensor([[[[0.1]], [[0.6]]]])
        >>> SpatialDropout.torch(h, noise, rate=0.5).tolist()
        [[[[0.0, 0.0]], [[6.0, 8.0]]]]
        >>> SpatialDropout(rate=0.5).module(axes=4)(torch.ones(2, 4, 3, 3)).shape  # as a module, in any network
        torch.Size([2, 4, 3, 3])

    Paper:
        Tompson et al., Efficient Object Localization Using Convolutional Networks, 2015,
        https://arxiv.org/abs/1411.4280, section 3.2.
    """

    rate: Strength = knob(
        0.5,
        "fraction of channels dropped",
        off=0.0,
        high=1.0,
        open_high=True,
        known_as=("p", "drop_rate", "drop_prob", "dropout_rate"),
    )

    known_as = ("Dropout1d", "Dropout2d", "Dropout3d", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")
    noise: ClassVar[tuple[Draw, ...]] = (Draw("uniform", "channel"),)
    maps: ClassVar[bool] = True
    vanilla = staticmethod(spatial_dropout_vanilla)
    torch = staticmethod(spatial_dropout)

    @staticmethod
    def evaluate(h: Any, **numbers: Any) -> Any:
        """(batch, channels, height, width) -> itself."""
        del numbers  # a trained network uses all of its channels, whatever the rate was
        return h

    def make_module(self, units: int, axes: int) -> nn.Module:
        """torch's own, which draws its noise itself."""
        del units  # a channel is dropped or not, however many there are
        kind = {2: nn.Dropout, 3: nn.Dropout1d, 4: nn.Dropout2d, 5: nn.Dropout3d}[axes]
        return kind(self.numbers()["rate"])
