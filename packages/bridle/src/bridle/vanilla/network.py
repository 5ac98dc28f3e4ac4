"""A network is a chain of parts: forward through all of them, and backward through all of them in reverse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from bridle.networks import MLP
from bridle.parameter_selection import Parameter, layer_weights
from bridle.places import INPUT, ActivityLoss, WeightLayer
from bridle.recipe import Recipe
from bridle.seeded_draws import linear_weights
from bridle.sites import acts_at, check_sites, hidden_site, input_site, layers_at
from bridle.vanilla.layers import (
    ACTIVATIONS,
    ActivationPart,
    ActivityPenaltyPart,
    Arrays,
    Backward,
    LayerPart,
    LinearPart,
    Part,
    VanillaContext,
    WeightLayerPart,
    identity,
)

__all__ = ["VanillaNetwork", "build", "copy_into", "parameter_descriptions"]

ROWS_AT_ONCE = 4096  # in evaluation, which bounds its memory


@dataclass
class VanillaNetwork:
    """A chain of parts."""

    parts: list[Part]

    @property
    def parameters(self) -> Arrays:
        """All parameters by name, in order; change the arrays in place and the network changes."""
        return {name: w for part in self.parts for name, w in part.parameters.items()}

    @property
    def state(self) -> Arrays:
        """All that moves along: running statistics, and what weight layers remember."""
        return {name: value for part in self.parts for name, value in part.state.items()}

    @property
    def statistics(self) -> Arrays:
        """The running statistics alone, which averages take in."""
        layers = (part for part in self.parts if isinstance(part, LayerPart))
        return {name: value for layer in layers for name, value in layer.state.items()}

    def train(self, x: np.ndarray, context: VanillaContext) -> tuple[np.ndarray, Backward]:
        """(batch, inputs) -> (batch, outputs), and the function from their gradient to those of x and parameters."""
        h, links = x, []
        for part in self.parts:
            h, link = part.train(h, context)
            links.append(link)

        def backward(g: np.ndarray) -> tuple[np.ndarray, Arrays]:
            gradients: Arrays = {}
            for link in reversed(links):
                g, of_parameters = link(g)
                gradients |= of_parameters
            return g, gradients

        return h, backward

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Run rows (rows, ...) to outputs (rows, outputs) in evaluation mode: logits, or the standardized target."""
        return np.concatenate([list(found.values())[-1] for found in self.activations(x)])

    def activations(self, x: np.ndarray) -> Iterator[Arrays]:
        """Yield, block of rows by block, every linear layer's outputs after their activation, by its name."""
        flat = x.reshape(len(x), -1)
        for start in range(0, len(flat), ROWS_AT_ONCE):
            h = flat[start : start + ROWS_AT_ONCE].astype(np.float64)
            found: Arrays = {}
            for part in self.parts:
                h = part.evaluate(h)
                if isinstance(part, ActivationPart):
                    found[part.name] = h
            yield found

    def reestimate(self, x: np.ndarray) -> None:
        """(batch, inputs): every running statistic becomes that of this batch, for the weights as they are."""
        h = x
        for part in self.parts:
            h = part.reestimate(h)

    @contextmanager
    def temporary_values(self, values: Arrays) -> Iterator[None]:
        """Put these parameters and state into the network in place of its own, for a while."""
        own = {**self.parameters, **self.state}
        kept = {name: value.copy() for name, value in own.items()}
        copy_into(own, values)
        try:
            yield
        finally:
            copy_into(own, kept)


def copy_into(arrays: Arrays, values: Arrays) -> None:
    """Write values into the arrays of the same name, in place."""
    for name, value in values.items():
        if name in arrays:
            arrays[name][...] = value


def build(network: MLP, recipe: Recipe, seed: int, inputs: int, outputs: int) -> VanillaNetwork:
    """Build the described network with the recipe's layers in it and the seed's initial weights.

    A hidden layer is: linear, what acts before the activation (batch norm), activation, the rest (dropout). The output
    layer is linear, and nothing acts on it but on its weight.
    """
    widths = network.widths(inputs, outputs)
    names = network.layer_names()
    sites = [input_site(), *(hidden_site(k, name, "Linear") for k, name in enumerate(names[:-1], start=1))]
    check_sites(recipe, sites)
    parts: list[Part] = []
    for number, name in enumerate((INPUT, *names)):
        if number:
            weight, bias = linear_weights(seed, number - 1, widths[number - 1], widths[number])
            parts.append(LinearPart(name, weight, bias))
        if name == names[-1]:
            parts.append(identity(name))
            continue
        layers = [LayerPart(each, widths[number]) for each in layers_at(recipe, sites[number])]
        parts += [each for each in layers if each.before_activation]
        if number:
            parts.append(ACTIVATIONS[network.activation](name))
        watching = [each for each in recipe if isinstance(each, ActivityLoss) and acts_at(each, sites[number])]
        parts += [ActivityPenaltyPart(each, sites[number]) for each in watching]
        parts += [each for each in layers if not each.before_activation]
    built = VanillaNetwork(parts)
    attach_weight_layers(built, recipe)
    return built


def attach_weight_layers(network: VanillaNetwork, recipe: Recipe) -> None:
    """Put the recipe's weight layers on the weights that they select."""
    parameters = parameter_descriptions(network)
    linears = {f"{part.name}.weight": part for part in network.parts if isinstance(part, LinearPart)}
    for layer in recipe:
        if isinstance(layer, WeightLayer):
            for each in layer_weights(layer, parameters):
                linear = linears[each.name]
                linear.weight_layers.append(WeightLayerPart(layer, each, linear.weight))


def parameter_descriptions(network: VanillaNetwork) -> list[Parameter]:
    """Describe the parameters as ``on`` sees them; what a weight layer learns is no matrix, however it is stored."""
    found = []
    for part in network.parts:
        kind = type(part.layer).__name__ if isinstance(part, LayerPart) else "Linear"
        learned = part.learned if isinstance(part, LinearPart) else {}
        found += [Parameter(name, 1 if name in learned else w.ndim, kind) for name, w in part.parameters.items()]
    return found
