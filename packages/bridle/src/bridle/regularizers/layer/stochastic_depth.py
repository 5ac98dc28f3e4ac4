"""Stochastic depth: a network of many depths at once, whose blocks cannot rely on one another being there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Draw, Layer
from bridle.schedules import Strength


def stochastic_depth_vanilla(
    h: np.ndarray, noise: np.ndarray, *, rate: float
) -> tuple[np.ndarray, Callable[[np.ndarray], tuple[np.ndarray]]]:
    """(batch, channels, height, width) and noise in [0, 1), (batch, 1, 1, 1) -> like ``h``, the gradient function."""
    stays = noise >= rate  # an example's whole branch stays with probability 1 - rate
    share = 1 - rate

    def backward(g: np.ndarray) -> tuple[np.ndarray]:
        return (g * stays / share,)

    return h * stays / share, backward


def stochastic_depth(h: Tensor, noise: Tensor, *, rate: float | Tensor) -> Tensor:
    """(..., batch, channels, height, width) and noise in [0, 1), (..., batch, 1, 1, 1) -> like ``h``."""
    stays = torch.floor(noise - rate).add(1)  # 0 below the rate, 1 from it on
    return (h * (stays / (1 - rate))).to(h.dtype)


@dataclass(frozen=True, repr=False)
class StochasticDepth(Layer):
    """Leaves out each residual branch with probability ``rate`` for each example, and scales it up where it stays.

    Formula:
        x + h   becomes   x + h · m / (1 - rate),   m ~ Bernoulli(1 - rate) for each example and branch h;
        nothing in evaluation

    Helps when:
        The network is residual and deep: the shorter networks within it are trained as well, and gradients reach the
        first blocks directly. The usual dropout of vision transformers and ConvNeXts.

    Hurts when:
        There are few blocks or the network underfits. Anywhere but behind a residual branch it silences all that an
        example has to say, as nothing goes around it.

    Conversion:
        torchvision's StochasticDepth(p, mode="row") and timm's DropPath(drop_prob) = rate. The paper's survival
        probability (survival_prob) is 1 - rate; it draws once per batch and scales down in evaluation instead. Its
        rates, and those of timm's drop_path_rate, rise with depth, l / L · rate for block l of L: say them per layer,
        as in rate={"block1.*": 0.1, "block2.*": 0.2}.

    Example:
        >>> import torch
        >>> h, noise = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(2, 2, 1, 1), torch.tensor([0.3, 0.7])
        >>> StochasticDepth.torch(h, noise.view(2, 1, 1, 1), rate=0.5).view(2, 2)
        tensor([[0., 0.],
                [6., 8.]])
        >>> StochasticDepth(rate=0.1).module()(torch.ones(2, 4)).shape  # as a module, in any network
        torch.Size([2, 4])

    Paper:
        Huang et al., Deep Networks with Stochastic Depth, 2016, https://arxiv.org/abs/1603.09382, equations 2 to 5.
    """

    rate: Strength = knob(
        0.1,
        "fraction of examples that go without the branch",
        off=0.0,
        high=1.0,
        open_high=True,
        known_as=("p", "drop_prob", "drop_path", "stochastic_depth_prob"),
        differs=("survival_prob", "drop_path_rate"),
    )
    _: KW_ONLY
    at: str = knob(
        "residual",
        'behind which branches: "residual" (those of every bridle.networks.Residual), or a name pattern or layer type '
        'of the modules that end them, such as "*.bn2"',
    )

    known_as = ("DropPath",)
    noise: ClassVar[tuple[Draw, ...]] = (Draw("uniform", "row"),)
    maps: ClassVar[bool] = True
    vanilla = staticmethod(stochastic_depth_vanilla)
    torch = staticmethod(stochastic_depth)

    @staticmethod
    def evaluate(h: Any, **numbers: Any) -> Any:
        """(batch, channels, height, width) -> itself."""
        del numbers  # a trained network uses all of its branches, whatever the rate was
        return h
