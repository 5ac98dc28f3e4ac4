"""Jacobian penalty: a small change of the input shall change the output little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Draw, PassLoss
from bridle.schedules import Strength


def jacobian_penalty_vanilla(
    z: np.ndarray, other: np.ndarray, *, strength: float, spread: float
) -> tuple[float, np.ndarray, np.ndarray]:
    """Outputs (batch, outputs), twice -> the penalty, and its gradients in their shapes."""
    rows = len(z)
    slope = (other - z) / spread  # along one random direction for each row: J · noise
    penalty = strength * (slope**2).sum() / rows
    gradient = strength * 2 * slope / spread / rows
    return float(penalty), -gradient, gradient


def jacobian_penalty(z: Tensor, other: Tensor, *, strength: float | Tensor, spread: float | Tensor) -> Tensor:
    """Outputs (..., batch, outputs), twice -> the penalty, (...)."""
    wide = torch.promote_types(z.dtype, torch.float32)
    slope = (other.to(wide) - z.to(wide)) / spread
    return (slope.square() * (strength / z.shape[-2])).sum((-2, -1)).to(z.dtype)


@dataclass(frozen=True, repr=False)
class JacobianPenalty(PassLoss):
    """Adds the squared slopes of the outputs with respect to the inputs to the loss, averaged over the rows.

    Formula:
        loss = data_loss + strength · mean over rows of ‖(z(x + spread · n) - z(x)) / spread‖²,   n ~ N(0, 1) for each
        value of x;   its mean over n is ‖∂z/∂x‖², the sum of the squared slopes, as spread goes to 0

    Helps when:
        Inputs are noisy or may be tampered with, and few: predictions change less under small changes of the input, and
        the margins between classes grow.

    Hurts when:
        A small change of the input is what tells the classes apart. Outputs are computed in bfloat16: at the default
        spread, small differences drown in rounding. A large spread turns slopes into differences of distant points.

    Conversion:
        The λ of Hoffman et al. and of the package jacobian_regularizer, which penalize λ / 2 · ‖J‖², = 2 · strength.
        For the squared error, training on inputs with normal noise of a small deviation s is about strength = s².

    Example:
        >>> import torch
        >>> x, noise = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, -1.0]])
        >>> moved = JacobianPenalty.move(x, noise, strength=0.1, spread=0.5)
        >>> JacobianPenalty(strength=0.1, spread=0.5)(3 * x, 3 * moved)  # z = 3 x: 0.1 * (9 + 9)
        tensor(1.8000)

    Paper:
        Drucker and LeCun, Improving Generalization Performance Using Double Backpropagation, 1992,
        https://doi.org/10.1109/72.165600 (for the loss); of the outputs, by random projections: Hoffman, Roberts and
        Yaida, Robust Learning with Jacobian Regularization, 2019, https://arxiv.org/abs/1908.02729, algorithm 1, here
        from the side of the inputs; noise: Bishop, Training with Noise Is Equivalent to Tikhonov Regularization, 1995,
        https://doi.org/10.1162/neco.1995.7.1.108.
    """

    strength: Strength = knob(
        0.005, "cost of one unit of squared slope", off=0.0, open_high=True, log=True, differs=("lambda",)
    )
    spread: Strength = knob(0.01, "standard deviation of the move", open_low=True, open_high=True, log=True)

    known_as = ("JacobianRegularization",)
    noise: ClassVar[tuple[Draw, ...]] = (Draw("normal"),)
    vanilla = staticmethod(jacobian_penalty_vanilla)
    torch = staticmethod(jacobian_penalty)

    @staticmethod
    def move(x: Any, noise: Any, *, strength: Any, spread: Any) -> Any:
        """Return each row a little way off, in a random direction."""
        del strength
        return x + spread * noise
