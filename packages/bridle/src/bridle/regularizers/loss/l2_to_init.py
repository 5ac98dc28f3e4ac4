"""L2 towards the start: where the data say nothing, a weight stays what it was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor, addcmul

from bridle.knobs import knob
from bridle.places import Loss
from bridle.schedules import Strength


def l2_to_init_vanilla(w: np.ndarray, initial: np.ndarray, *, strength: float) -> tuple[float, np.ndarray]:
    """Any shape, twice -> the penalty, and its gradient in the shape of ``w``."""
    moved = w - initial
    penalty = strength * (moved**2).sum()
    gradient = strength * 2 * moved
    return float(penalty), gradient


def l2_to_init(w: Tensor, initial: Tensor, *, strength: float | Tensor) -> Tensor:
    """Any shape, twice -> the penalty, a scalar."""
    return strength * (w - initial).square().sum()


def add_l2_to_init_gradient(
    g: Tensor, w: Tensor, initial: Tensor, *, strength: float | Tensor, out: Tensor | None = None
) -> Tensor:
    """Any shape, three times -> ``g`` plus the gradient of the penalty."""
    return addcmul(g, w - initial, w.new_tensor(2.0) * strength, out=out)


@dataclass(frozen=True, repr=False)
class L2ToInit(Loss):
    """Adds the squared distance of the weights from where they began to the loss (L2-SP, L2 Init).

    Formula:
        loss(w) = data_loss(w) + strength · Σ (w - w₀)²,   gradient: 2 · strength · (w - w₀),
        w₀: the weights before the first step

    Helps when:
        Training begins at weights that know something: fine-tuning on few data. Or the task keeps changing: weights
        that stay near a fresh start stay able to learn.

    Hurts when:
        Training begins at random and the task is one: the start is no better a place than zero (use L2 or WeightDecay).
        The output layer of a fine-tuned network is new: leave it out with ``on``.

    Conversion:
        The α of L2-SP = 2 · strength (its penalty has a half); the λ of L2 Init = strength.

    Conflicts:
        L2, ElasticNet, WeightDecay: doubtful. It pulls to the start, they to zero: take one, or one for each layer.

    Example:
        >>> import torch
        >>> L2ToInit(strength=0.1)(torch.tensor([3.0, 4.0]), torch.tensor([3.0, 2.0]))  # 0.1 * (0 + 4)
        tensor(0.4000)

    Paper:
        Li, Grandvalet and Davoine, Explicit Inductive Bias for Transfer Learning with Convolutional Networks, 2018,
        https://arxiv.org/abs/1802.01483, section 3 (L2-SP); from random weights: Kumar et al., Maintaining
        Plasticity in Continual Learning via Regenerative Regularization, 2023, https://arxiv.org/abs/2308.11958.
    """

    strength: Strength = knob(
        0.01,
        "cost of one unit of squared distance",
        off=0.0,
        open_high=True,
        log=True,
        known_as=("lambda",),
        differs=("alpha",),
    )

    known_as = ("L2SP", "L2Init")
    extra_inputs = ("initial",)
    vanilla = staticmethod(l2_to_init_vanilla)
    torch = staticmethod(l2_to_init)
    add_gradient = staticmethod(add_l2_to_init_gradient)
