"""Non-negative weights: parts add up, and nothing is taken away again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.places import Weight


def non_negative_vanilla(w: np.ndarray) -> np.ndarray:
    """Any shape -> the same shape."""
    return np.asarray(np.maximum(w, 0))


def non_negative(w: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Any shape -> the same shape."""
    return torch.clamp(w, min=0, out=out)


@dataclass(frozen=True, repr=False)
class NonNegative(Weight):
    """Sets negative weights to zero behind every update, which is projected gradient descent with SGD.

    Formula:
        w ← max(w, 0)

    Helps when:
        More of an input can only mean more of the output (prices, doses, intensities): with rising activations such as
        ReLU or tanh, the network rises in every input. Units become parts that can be read; many weights are exactly 0.

    Hurts when:
        Anything has to be inhibited or compared: differences of inputs are out of reach, unless inputs come with both
        signs. Half of the usual initial weights are cut at the first step; what the others pass on adds up and grows.

    Conversion:
        Keras's NonNeg; for a linear network, scikit-learn's LinearRegression(positive=True).

    Conflicts:
        WeightStandardization: doubtful. It subtracts a mean, so weights that act are negative all the same.

    Example:
        >>> import torch
        >>> NonNegative()(torch.tensor([3.0, -4.0]))
        tensor([3., 0.])

    Paper:
        Chorowski and Zurada, Learning Understandable Neural Networks with Nonnegative Weight Constraints, 2015,
        https://doi.org/10.1109/TNNLS.2014.2310059; the method: Lin, Projected Gradient Methods for Nonnegative Matrix
        Factorization, 2007, https://doi.org/10.1162/neco.2007.19.10.2756, equation 10.
    """

    known_as = ("NonNeg",)
    after_update: ClassVar[bool] = True
    vanilla = staticmethod(non_negative_vanilla)
    torch = staticmethod(non_negative)
