"""Optimizers: from gradients to better weights. The formulas are torch's, weight decay excepted: recipes say that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from bridle.protocol import BETAS, EPS, MOMENTUM
from bridle.vanilla.layers import Arrays

__all__ = ["OPTIMIZERS"]


class Optimizer(Protocol):
    """Changes the weights that it was made with, in place."""

    def update(self, gradients: Arrays, lr: float) -> None:
        """Make one step along the gradients, which have the weights' names."""


class SGD:
    """Stochastic gradient descent: a step downhill, plus, with momentum, a share of the step before.

    Polyak, Some Methods of Speeding Up the Convergence of Iteration Methods, 1964.
    """

    def __init__(self, weights: Arrays, momentum: float = 0.0) -> None:
        self.weights = weights
        self.momentum = momentum
        self.velocity = {name: np.zeros_like(w) for name, w in weights.items()}

    def update(self, gradients: Arrays, lr: float) -> None:
        """Make one step along the gradients."""
        for name, g in gradients.items():
            self.velocity[name] = self.momentum * self.velocity[name] + g
            self.weights[name] -= lr * self.velocity[name]


class Adam:
    """Each weight takes steps of about ``lr``, whatever the size of its gradient.

    ``m`` and ``v`` are running means of the gradient and of its square. They start at 0, which the division by
    ``1 - beta ** steps`` makes good. Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015,
    https://arxiv.org/abs/1412.6980, algorithm 1.
    """

    def __init__(self, weights: Arrays, betas: tuple[float, float] = BETAS, eps: float = EPS) -> None:
        self.weights = weights
        self.betas = betas
        self.eps = eps
        self.steps = 0
        self.m = {name: np.zeros_like(w) for name, w in weights.items()}
        self.v = {name: np.zeros_like(w) for name, w in weights.items()}

    def update(self, gradients: Arrays, lr: float) -> None:
        """Make one step along the gradients."""
        beta1, beta2 = self.betas
        self.steps += 1
        for name, g in gradients.items():
            self.m[name] = beta1 * self.m[name] + (1 - beta1) * g
            self.v[name] = beta2 * self.v[name] + (1 - beta2) * g**2
            mean = self.m[name] / (1 - beta1**self.steps)
            mean_square = self.v[name] / (1 - beta2**self.steps)
            self.weights[name] -= lr * mean / (np.sqrt(mean_square) + self.eps)


# AdamW is Adam with decoupled weight decay, which is a regularizer and comes with the others (see training_rules.py).
OPTIMIZERS: dict[str, Callable[[Arrays], Optimizer]] = {
    "sgd": SGD,
    "momentum": lambda weights: SGD(weights, momentum=MOMENTUM),
    "adam": Adam,
    "adamw": Adam,
}
