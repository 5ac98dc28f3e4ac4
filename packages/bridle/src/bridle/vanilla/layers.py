"""The parts of a network: each computes forward, and hands back the function that computes backward.

``train(h, context)`` returns the part's output and ``backward``; ``evaluate(h)`` the output alone, as it is after
training. ``backward(g)`` takes the gradient of the loss with respect to the output, and returns the gradient with
respect to the input and the gradients of the part's ``parameters``, by name: one link of the chain rule. Numbers are
float64, ``h`` and ``g`` have the shape (batch, units).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from bridle.noise_streams import first_stream_id
from bridle.parameter_selection import Parameter
from bridle.places import ActivityLoss, WeightLayer
from bridle.places.base import Start
from bridle.places.matrices import as_number
from bridle.sites import LayerAtSite, Site
from bridle.vanilla.noise import StepNoise

__all__ = [
    "ACTIVATIONS",
    "ActivationPart",
    "ActivityPenaltyPart",
    "Arrays",
    "Backward",
    "LayerPart",
    "LinearPart",
    "Part",
    "VanillaContext",
    "WeightLayerPart",
    "array_as_matrix",
    "begin_array",
    "identity",
]

Arrays = dict[str, np.ndarray]  # parameters, state, or gradients, by name
Backward = Callable[[np.ndarray], tuple[np.ndarray, Arrays]]
Function = Callable[[np.ndarray], np.ndarray]


@dataclass
class VanillaContext:
    """One pass through the network while it trains."""

    noise: StepNoise
    passed: float = 0.0  # share of the training that is over
    update_statistics: bool = True  # whether running statistics move on
    offset: int = 0  # added to every stream of noise: a second pass may draw its own
    count_penalties: bool = True  # whether penalties on activations count in this pass
    penalties: list[float] = field(default_factory=list)  # those that were met


class Part(Protocol):
    """One link of the chain."""

    @property
    def parameters(self) -> Arrays:
        """The arrays that training changes, in place."""

    @property
    def state(self) -> Arrays:
        """The arrays that move along while it trains, in place: running statistics."""

    def train(self, h: np.ndarray, context: VanillaContext) -> tuple[np.ndarray, Backward]:
        """Return the output while training, and the way back."""

    def evaluate(self, h: np.ndarray) -> np.ndarray:
        """Return the output once training is over."""

    def reestimate(self, h: np.ndarray) -> np.ndarray:
        """Return the output by the statistics of this batch alone, which the state becomes."""


@dataclass
class LinearPart:
    """Every output is a weighted sum of all inputs: ``h Wᵀ + b``, where recipes may act on W each time it is used."""

    name: str
    weight: np.ndarray  # (outputs, inputs)
    bias: np.ndarray  # (outputs,)
    weight_layers: list[WeightLayerPart] = field(default_factory=list)  # the recipe's weight layers

    @property
    def learned(self) -> Arrays:
        """The parameters of the weight layers."""
        return {name: w for each in self.weight_layers for name, w in each.parameters.items()}

    @property
    def parameters(self) -> Arrays:
        """``linear1.weight``, ``linear1.bias``, and what weight layers learn."""
        return {f"{self.name}.weight": self.weight, f"{self.name}.bias": self.bias, **self.learned}

    @property
    def state(self) -> Arrays:
        """The state of the weight layers."""
        return {name: value for each in self.weight_layers for name, value in each.state.items()}

    def train(self, h: np.ndarray, context: VanillaContext) -> tuple[np.ndarray, Backward]:
        """(batch, inputs) -> (batch, outputs)."""
        w, links = self.weight, []
        for each in self.weight_layers:
            w, link = each.train(w, context)
            links.append(link)

        def backward(g: np.ndarray) -> tuple[np.ndarray, Arrays]:
            g_w: np.ndarray = g.T @ h
            gradients: Arrays = {}
            for link in reversed(links):
                g_w, learned = link(g_w)
                gradients |= learned
            return g @ w, {f"{self.name}.weight": g_w, f"{self.name}.bias": g.sum(0), **gradients}

        return h @ w.T + self.bias, backward

    @property
    def effective_weight(self) -> np.ndarray:
        """The weight as it acts once training is over."""
        w = self.weight
        for each in self.weight_layers:
            w = each.evaluate(w)
        return w

    def evaluate(self, h: np.ndarray) -> np.ndarray:
        """(batch, inputs) -> (batch, outputs)."""
        return np.asarray(h @ self.effective_weight.T + self.bias)

    reestimate = evaluate


class WeightLayerPart:
    """A weight layer of the recipe on one linear layer's weight."""

    def __init__(self, layer: WeightLayer, parameter: Parameter, w: np.ndarray) -> None:
        self.layer = layer
        self.names = parameter.names
        self.passed = 0.0  # share of the training that was over in the last step
        self.stream_id = first_stream_id(layer, parameter.name)
        prefix, matrix = f"{parameter.name}@{type(layer).__name__}", array_as_matrix(w)
        self.parameters = {f"{prefix}.{kind}": begin_array(start, matrix) for kind, start in layer.parameters.items()}
        self.state = {f"{prefix}.{kind}": begin_array(start, matrix) for kind, start in layer.state._asdict().items()}

    def train(self, w: np.ndarray, context: VanillaContext) -> tuple[np.ndarray, Backward]:
        """(outputs, inputs) -> the same shape; the state moves on."""
        noise = context.noise.draw(self.layer.noise, self.stream_id + context.offset, (*w.shape, 1))
        self.passed = context.passed
        knobs = self.layer.keywords(*self.names, passed=self.passed)
        values = list(self.parameters.values()), list(self.state.values())
        out, state, layer_backward = self.layer.call_vanilla(w[..., None], noise, *values, knobs)
        if context.update_statistics:
            update_in_place(self.state, state)

        def backward(g: np.ndarray) -> tuple[np.ndarray, Arrays]:
            g_w, *gradients = layer_backward(g[..., None])
            return g_w[..., 0], dict(zip(self.parameters, gradients, strict=True))

        return out[..., 0], backward

    def evaluate(self, w: np.ndarray) -> np.ndarray:
        """(outputs, inputs) -> the same shape."""
        knobs = self.layer.keywords(*self.names, passed=self.passed)
        values = list(self.parameters.values()), list(self.state.values())
        return np.asarray(self.layer.call_evaluate(w[..., None], *values, knobs))[..., 0]


def array_as_matrix(w: np.ndarray) -> np.ndarray:
    """(outputs, inputs) or (outputs,) -> (outputs, inputs, positions), as formulas of weights take it."""
    return w.reshape(*w.shape, *[1] * (3 - w.ndim))


def begin_array(start: Start, matrix: np.ndarray) -> np.ndarray:
    """Return the initial parameter or state of a weight (outputs, inputs, positions)."""
    return np.array(start(matrix)) if callable(start) else np.full((len(matrix), 1, 1), float(start))


def update_in_place(state: Arrays, new: Iterable[np.ndarray]) -> None:
    """Put new values into the state, in place."""
    for old, value in zip(state.values(), new, strict=True):
        old[...] = value.reshape(old.shape)


@dataclass
class ActivationPart:
    """A function through which every unit passes; if it were linear, layers on layers would still be one layer."""

    name: str  # of the linear layer whose outputs pass
    function: Function
    slope: Function  # in terms of the function's own output, which the way back has at hand

    @property
    def parameters(self) -> Arrays:
        """An activation has none."""
        return {}

    state = parameters

    def train(self, h: np.ndarray, context: VanillaContext) -> tuple[np.ndarray, Backward]:
        """(batch, units) -> (batch, units)."""
        del context  # it is the same in every pass
        a = self.function(h)
        return a, lambda g: (g * self.slope(a), {})

    def evaluate(self, h: np.ndarray) -> np.ndarray:
        """(batch, units) -> (batch, units)."""
        return self.function(h)

    reestimate = evaluate


def relu(name: str) -> ActivationPart:
    """Replace negative values by 0: ``max(h, 0)``."""
    return ActivationPart(name, lambda h: np.maximum(h, 0.0), lambda a: np.where(a > 0, 1.0, 0.0))


def tanh(name: str) -> ActivationPart:
    """Squeeze values into (-1, 1)."""
    return ActivationPart(name, np.tanh, lambda a: 1 - a**2)


def sigmoid(name: str) -> ActivationPart:
    """Squeeze values into (0, 1): ``1 / (1 + exp(-h))``, by way of tanh, which cannot overflow."""
    return ActivationPart(name, lambda h: 0.5 + 0.5 * np.tanh(0.5 * h), lambda a: a * (1 - a))


def selu(name: str) -> ActivationPart:
    """Keep units near mean 0 and deviation 1 where weights have variance 1/inputs (Klambauer et al., 2017)."""
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return ActivationPart(
        name,
        lambda h: scale * np.where(h > 0, h, alpha * np.expm1(np.minimum(h, 0.0))),
        lambda a: np.where(a > 0, scale, a + scale * alpha),
    )


def identity(name: str) -> ActivationPart:
    """Leave values as they are: the outputs pass through this."""
    return ActivationPart(name, lambda h: h, np.ones_like)


ACTIVATIONS = {"relu": relu, "tanh": tanh, "sigmoid": sigmoid, "selu": selu}


class LayerPart:
    """A layer that the recipe adds, with the noise, the parameters and the state that it asks for."""

    def __init__(self, layer_at_site: LayerAtSite, units: int) -> None:
        self.layer = layer = layer_at_site.layer
        self.before_activation = layer.before_activation
        self.names = layer_at_site.site.names
        self.passed = 0.0  # share of the training that was over in the last step
        self.stream_id = layer_at_site.stream_id
        self.parameters = self.per_unit(layer_at_site.name, layer.parameters, units)
        self.state = self.per_unit(layer_at_site.name, layer.state._asdict(), units)

    def per_unit(self, name: str, starts: dict[str, Start], units: int) -> Arrays:
        """Return one value for each unit, at its start."""
        return {f"{name}.{kind}": np.full(units, as_number(start)) for kind, start in starts.items()}

    def maps(self, h: np.ndarray) -> np.ndarray:
        """(batch, units), or as images of one pixel each where the layer wants images."""
        return h[:, :, None, None] if self.layer.maps else h

    def inputs(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return parameters and state, in shapes that broadcast against what the layer acts on."""
        parameters, state = (
            [each[:, None, None] if self.layer.maps else each for each in values.values()]
            for values in (self.parameters, self.state)
        )
        return parameters, state

    def train(self, h: np.ndarray, context: VanillaContext) -> tuple[np.ndarray, Backward]:
        """(batch, units) -> (batch, units); the state moves on."""
        seen = self.maps(h)
        noise = context.noise.draw(self.layer.noise, self.stream_id + context.offset, seen.shape)
        self.passed = context.passed
        knobs = self.layer.keywords(*self.names, passed=self.passed)
        out, state, layer_backward = self.layer.call_vanilla(seen, noise, *self.inputs(), knobs)
        if context.update_statistics:
            update_in_place(self.state, state)

        def backward(g: np.ndarray) -> tuple[np.ndarray, Arrays]:
            g_h, *gradients = layer_backward(self.maps(g))
            shaped = (gradient.reshape(-1) for gradient in gradients)
            return g_h.reshape(g.shape), dict(zip(self.parameters, shaped, strict=True))

        return out.reshape(h.shape), backward

    def evaluate(self, h: np.ndarray) -> np.ndarray:
        """(batch, units) -> (batch, units)."""
        knobs = self.layer.keywords(*self.names, passed=self.passed)
        return np.asarray(self.layer.call_evaluate(self.maps(h), *self.inputs(), knobs)).reshape(h.shape)

    def reestimate(self, h: np.ndarray) -> np.ndarray:
        """(batch, units) -> (batch, units), by the statistics of this batch, which the state becomes."""
        if not self.state:
            return self.evaluate(h)
        knobs = self.layer.reestimating(self.layer.keywords(*self.names, passed=self.passed))
        out, state, _ = self.layer.call_vanilla(self.maps(h), [], *self.inputs(), knobs)
        update_in_place(self.state, state)
        return np.asarray(out).reshape(h.shape)


class ActivityPenaltyPart:
    """Activations on which the recipe puts a penalty; they pass as they are."""

    def __init__(self, unit: ActivityLoss, site: Site) -> None:
        self.unit = unit
        self.names = site.names
        self.parameters: Arrays = {}
        self.state: Arrays = {}

    def train(self, h: np.ndarray, context: VanillaContext) -> tuple[np.ndarray, Backward]:
        """(batch, units) -> the same."""
        if not context.count_penalties:
            return h, lambda g: (g, {})
        penalty, gradient = self.unit.vanilla(h, **self.unit.keywords(*self.names, passed=context.passed))
        context.penalties.append(float(penalty))
        return h, lambda g: (g + gradient, {})

    def evaluate(self, h: np.ndarray) -> np.ndarray:
        """(batch, units) -> the same."""
        return h

    reestimate = evaluate
