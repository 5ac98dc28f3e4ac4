"""Input noise: rows that differ by a little noise are to get one answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Batch, Draw
from bridle.schedules import Strength


def input_noise_vanilla(
    x: np.ndarray, y: np.ndarray, noise: np.ndarray, *, spread: float
) -> tuple[np.ndarray, np.ndarray]:
    """(batch, features), (batch, outputs) and standard normal noise like ``x`` -> the new rows, the same targets."""
    return x + spread * noise, y


def input_noise(x: Tensor, y: Tensor, noise: Tensor, *, spread: float | Tensor) -> tuple[Tensor, Tensor]:
    """(..., batch, features), (..., batch, outputs) and noise like ``x`` -> the new rows, the same targets."""
    return (x + spread * noise).to(x.dtype), y


@dataclass(frozen=True, repr=False)
class InputNoise(Batch):
    """Adds Gaussian noise to the inputs, fresh at every step, so that the function changes little around each row.

    Formula:
        x ← x + spread · n,   n ~ Normal(0, 1) for each number;   nothing in evaluation

    Helps when:
        Data are few and inputs are measurements: small errors in them must not change the answer. For small spreads and
        squared errors it acts as a penalty on the derivatives of the outputs with respect to the inputs.

    Hurts when:
        Inputs are not on one scale (standardize them first), a small difference decides, or many are zeros and ones of
        categories: noise makes values of them that no row has.

    Conversion:
        Keras's GaussianNoise(stddev) = spread. A linear network under the mean squared error of one target pays, on
        average, what L2(strength = spread²) costs.

    Example:
        >>> import torch
        >>> x, y, noise = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0]]), torch.tensor([[-1.0, 0.5]])
        >>> InputNoise.torch(x, y, noise, spread=0.5)
        (tensor([[0.5000, 2.2500]]), tensor([[1.]]))

    Paper:
        Bishop, Training with Noise is Equivalent to Tikhonov Regularization, 1995,
        https://doi.org/10.1162/neco.1995.7.1.108, section 2.
    """

    spread: Strength = knob(
        0.1, "standard deviation of the noise", off=0.0, open_high=True, log=True, known_as=("stddev", "std", "sigma")
    )

    known_as = ("GaussianNoise",)
    noise: ClassVar[tuple[Draw, ...]] = (Draw("normal"),)
    vanilla = staticmethod(input_noise_vanilla)
    torch = staticmethod(input_noise)
