"""The parts of a network: each computes forward, and hands back the function that computes backward.

``train(h)`` returns the part's output and ``backward``; ``evaluate(h)`` the output alone, as it is after training.
``backward(g)`` takes the gradient of the loss with respect to the output, and returns the gradient with respect to the
input and the gradients of the part's ``parameters``, by name: one link of the chain rule. Numbers are float64, ``h``
and ``g`` have the shape (batch, units).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bridle.acting import Standing
from bridle.draws import Noise

Arrays = dict[str, np.ndarray]  # parameters, or their gradients, by name
Backward = Callable[[np.ndarray], tuple[np.ndarray, Arrays]]
Function = Callable[[np.ndarray], np.ndarray]


class Part(Protocol):
    """One link of the chain."""

    @property
    def parameters(self) -> Arrays:
        """The arrays that training changes, in place."""

    def train(self, h: np.ndarray) -> tuple[np.ndarray, Backward]:
        """The output while training, and the way back."""

    def evaluate(self, h: np.ndarray) -> np.ndarray:
        """The output once training is over."""


@dataclass
class Linear:
    """Every output is a weighted sum of all inputs: ``h Wᵀ + b``."""

    name: str
    weight: np.ndarray  # (outputs, inputs)
    bias: np.ndarray  # (outputs,)

    @property
    def parameters(self) -> Arrays:
        """``linear1.weight``, ``linear1.bias``."""
        return {f"{self.name}.weight": self.weight, f"{self.name}.bias": self.bias}

    def train(self, h: np.ndarray) -> tuple[np.ndarray, Backward]:
        """(batch, inputs) -> (batch, outputs)."""

        def backward(g: np.ndarray) -> tuple[np.ndarray, Arrays]:
            return g @ self.weight, {f"{self.name}.weight": g.T @ h, f"{self.name}.bias": g.sum(0)}

        return self.evaluate(h), backward

    def evaluate(self, h: np.ndarray) -> np.ndarray:
        """(batch, inputs) -> (batch, outputs)."""
        return np.asarray(h @ self.weight.T + self.bias)


@dataclass
class Activation:
    """A function through which every unit passes; if it were linear, layers on layers would still be one layer."""

    name: str  # of the linear layer whose outputs pass
    function: Function
    slope: Function  # in terms of the function's own output, which the way back has at hand

    @property
    def parameters(self) -> Arrays:
        """None."""
        return {}

    def train(self, h: np.ndarray) -> tuple[np.ndarray, Backward]:
        """(batch, units) -> (batch, units)."""
        a = self.function(h)
        return a, lambda g: (g * self.slope(a), {})

    def evaluate(self, h: np.ndarray) -> np.ndarray:
        """(batch, units) -> (batch, units)."""
        return self.function(h)


def relu(name: str) -> Activation:
    """What is negative becomes 0: ``max(h, 0)``."""
    return Activation(name, lambda h: np.maximum(h, 0.0), lambda a: np.where(a > 0, 1.0, 0.0))


def tanh(name: str) -> Activation:
    """Squeezed into (-1, 1)."""
    return Activation(name, np.tanh, lambda a: 1 - a**2)


def sigmoid(name: str) -> Activation:
    """Squeezed into (0, 1): ``1 / (1 + exp(-h))``, by way of tanh, which cannot overflow."""
    return Activation(name, lambda h: 0.5 + 0.5 * np.tanh(0.5 * h), lambda a: a * (1 - a))


def identity(name: str) -> Activation:
    """Nothing: what the outputs pass through."""
    return Activation(name, lambda h: h, np.ones_like)


ACTIVATIONS = {"relu": relu, "tanh": tanh, "sigmoid": sigmoid}


class Regularized:
    """A layer that the recipe adds, with the noise, the parameters and the state that it asks for."""

    def __init__(self, standing: Standing, units: int, noise: Noise) -> None:
        self.layer = layer = standing.layer
        self.before_activation = layer.before_activation
        self.numbers = layer.settings(numbers=True)
        self.parameters = {f"{standing.name}.{key}": np.full(units, value) for key, value in layer.parameters.items()}
        self.state = {f"{standing.name}.{key}": np.full(units, value) for key, value in layer.state.items()}
        self.noise = noise
        self.spot = standing.spot

    def train(self, h: np.ndarray) -> tuple[np.ndarray, Backward]:
        """(batch, units) -> (batch, units); the state moves on."""
        noise = [self.noise.uniform(self.spot, *h.shape)] if self.layer.draws_noise else []
        inputs = (*noise, *self.parameters.values(), *self.state.values())
        out, *state, layer_backward = self.layer.vanilla(h, *inputs, **self.numbers)
        self.state = dict(zip(self.state, state, strict=True))

        def backward(g: np.ndarray) -> tuple[np.ndarray, Arrays]:
            g_h, *gradients = layer_backward(g)
            return g_h, dict(zip(self.parameters, gradients, strict=True))

        return out, backward

    def evaluate(self, h: np.ndarray) -> np.ndarray:
        """(batch, units) -> (batch, units)."""
        inputs = (*self.parameters.values(), *self.state.values())
        return np.asarray(self.layer.evaluate(h, *inputs, **self.numbers))
