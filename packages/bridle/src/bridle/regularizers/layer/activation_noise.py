"""Activation noise: what a unit passes on must be large against a noise that it cannot foresee."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Draw, Layer
from bridle.schedules import Strength


def activation_noise_vanilla(
    h: np.ndarray, noise: np.ndarray, *, spread: float
) -> tuple[np.ndarray, Callable[[np.ndarray], tuple[np.ndarray]]]:
    """(batch, units) and standard normal noise of that shape -> (batch, units), and the gradient function."""

    def backward(g: np.ndarray) -> tuple[np.ndarray]:
        return (g,)

    return h + spread * noise, backward


def activation_noise(h: Tensor, noise: Tensor, *, spread: float | Tensor) -> Tensor:
    """(..., batch, units) and standard normal noise of that shape -> (..., batch, units)."""
    return (h + spread * noise).to(h.dtype)


@dataclass(frozen=True, repr=False)
class ActivationNoise(Layer):
    """Adds Gaussian noise to each hidden unit before its activation, fresh at every step.

    Formula:
        h ← h + spread · n,   n ~ Normal(0, 1) for each unit and example;   nothing in evaluation

    Helps when:
        A norm comes before it in the recipe, so that units have deviation 1 and the spread means a share of it: 0.3
        behind batch norm, as in the ladder network. Units that saturate do well to: at their ends they do not hear it.

    Hurts when:
        Nothing holds the units' size: the network grows its weights until the noise is small against them. A norm that
        comes behind it in the recipe has its running variance too large for evaluation, by the spread's square.

    Conversion:
        Keras's GaussianNoise(stddev) = spread, placed before the activation.

    Example:
        >>> import torch
        >>> h, noise = torch.tensor([[1.0, -2.0]]), torch.tensor([[-1.0, 0.5]])
        >>> ActivationNoise.torch(h, noise, spread=0.5)
        tensor([[ 0.5000, -1.7500]])
        >>> ActivationNoise(spread=0.5).module()(torch.ones(2, 4)).shape  # as a module, in any network
        torch.Size([2, 4])

    Paper:
        Poole, Sohl-Dickstein and Ganguli, Analyzing noise in autoencoders and deep networks, 2014,
        https://arxiv.org/abs/1406.1831; behind batch norm: Rasmus et al., Semi-Supervised Learning with Ladder
        Networks, 2015, https://arxiv.org/abs/1507.02672, algorithm 1.
    """

    spread: Strength = knob(
        0.3, "standard deviation of the noise", off=0.0, open_high=True, log=True, known_as=("stddev", "std", "sigma")
    )

    known_as = ("GaussianNoise",)
    noise: ClassVar[tuple[Draw, ...]] = (Draw("normal"),)
    before_activation: ClassVar[bool] = True
    vanilla = staticmethod(activation_noise_vanilla)
    torch = staticmethod(activation_noise)

    @staticmethod
    def evaluate(h: Any, **numbers: Any) -> Any:
        """(batch, units) -> itself."""
        del numbers  # the noise has mean 0
        return h
