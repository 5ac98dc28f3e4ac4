"""A network is a chain of parts: forward through all of them, and backward through all of them in reverse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bridle.acting import standing
from bridle.draws import Noise, linear_weights
from bridle.networks import MLP
from bridle.recipe import Recipe
from bridle.vanilla.parts import ACTIVATIONS, Activation, Arrays, Linear, Part, Regularized, identity

ROWS_AT_ONCE = 4096  # in evaluation, which bounds its memory


@dataclass
class Network:
    """A chain of parts."""

    parts: list[Part]

    @property
    def parameters(self) -> Arrays:
        """All parameters by name, in order; change the arrays in place and the network changes."""
        return {name: w for part in self.parts for name, w in part.parameters.items()}

    def train(self, x: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], Arrays]]:
        """(batch, inputs) -> (batch, outputs), and the function from their gradient to those of all parameters."""
        h, links = x, []
        for part in self.parts:
            h, link = part.train(h)
            links.append(link)

        def backward(g: np.ndarray) -> Arrays:
            gradients: Arrays = {}
            for link in reversed(links):
                g, of_parameters = link(g)
                gradients |= of_parameters
            return gradients

        return h, backward

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Rows (rows, ...) -> raw outputs (rows, outputs) in evaluation mode: logits, or the standardized target."""
        return np.concatenate([list(found.values())[-1] for found in self.activations(x)])

    def activations(self, x: np.ndarray) -> Iterator[Arrays]:
        """Rows (rows, ...) -> block by block, every linear layer's outputs after their activation, by its name."""
        flat = x.reshape(len(x), -1)
        for start in range(0, len(flat), ROWS_AT_ONCE):
            h = flat[start : start + ROWS_AT_ONCE].astype(np.float64)
            found: Arrays = {}
            for part in self.parts:
                h = part.evaluate(h)
                if isinstance(part, Activation):
                    found[part.name] = h
            yield found


def build(network: MLP, recipe: Recipe, seed: int, inputs: int, outputs: int) -> Network:
    """The network that the description means, with the recipe's layers in it and the seed's initial weights.

    A hidden layer is: linear, what acts before the activation (batch norm), activation, the rest (dropout). The output
    layer is linear, and nothing acts on it.
    """
    noise = Noise(seed)
    widths = network.widths(inputs, outputs)
    parts: list[Part] = [Regularized(each, inputs, noise) for each in standing(recipe, 0)]
    for site, name in enumerate(network.layer_names(), start=1):
        parts.append(Linear(name, *linear_weights(seed, site - 1, widths[site - 1], widths[site])))
        if name == "output":
            parts.append(identity(name))
        else:
            layers = [Regularized(each, widths[site], noise) for each in standing(recipe, site)]
            parts += [each for each in layers if each.before_activation]
            parts.append(ACTIVATIONS[network.activation](name))
            parts += [each for each in layers if not each.before_activation]
    return Network(parts)
