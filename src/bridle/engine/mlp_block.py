"""Multilayer perceptrons stacked by hand.

Shape suffixes: S seeds, R recipes, V = S·R variants, B rows of a batch, F units of a layer.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bridle import draws
from bridle.engine.block import Block, Values
from bridle.engine.feed import Noise
from bridle.engine.losses import data_losses
from bridle.engine.plan import Grid
from bridle.engine.precision import Precision
from bridle.engine.sites import PlacedLayer, placed_layers
from bridle.networks import MLP
from bridle.protocol import Variant
from bridle.recipe import Recipe

CHECKING = Precision(torch.float64, torch.float64, torch.device("cpu"))
FUNCTIONS = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}


@dataclass
class MLPBlock(Block):
    """A grid of perceptrons.

    Weights are stored (inputs, outputs), the layout in which batched products are fastest on CPUs. As long as all
    recipes of a seed see the same inputs, the first layer's are stored (S, inputs, R·outputs): one product per seed
    serves all of its recipes, and the batch is never copied.
    """

    network: MLP
    inputs: int
    outputs: int
    layers: list[PlacedLayer] = field(init=False)
    shared_input: bool = field(init=False)

    def __post_init__(self) -> None:
        self.layers = placed_layers(self.grid.recipes, len(self.network.hidden), self.precision)
        self.shared_input = not any(placed.site == 0 for placed in self.layers)

    @property
    def layer_names(self) -> tuple[str, ...]:
        """linear1, linear2, ..., output."""
        return self.network.layer_names()

    def activation_bytes(self, rows: int) -> int:
        """About what one variant's activations take for so many rows."""
        return rows * self.precision.weights.itemsize * sum(self.network.widths(0, self.outputs))

    @classmethod
    def start(
        cls, grid: Grid, precision: Precision, optimizer: str, *, network: MLP, inputs: int, outputs: int
    ) -> MLPBlock:
        """A block with each seed's initial weights."""
        block = cls(grid, precision, optimizer, network, inputs, outputs)
        per_seed = [initial_values(network, inputs, outputs, seed) for seed in grid.seeds]
        values = {name: torch.from_numpy(np.stack([each[name] for each in per_seed])) for name in per_seed[0]}
        block.fill({name: value[:, None] for name, value in values.items()})  # all recipes of a seed start alike
        return block

    def fill(self, values: Values) -> None:
        """Take parameters and state from tensors (S, R, *shape in a single network); what is missing starts afresh."""
        names = [f"{layer}.{kind}" for layer in self.layer_names for kind in ("weight", "bias")]
        self.parameters = {name: self.stored(name, values[name]) for name in names}
        self.state = {}
        widths = self.network.widths(self.inputs, self.outputs)
        for placed in self.layers:
            for store, initial in ((self.parameters, placed.layer.parameters), (self.state, placed.layer.state)):
                for kind, start in initial.items():
                    name = f"{placed.name}.{kind}"
                    fresh = torch.full((1, 1, widths[placed.site]), start)
                    store[name] = self.stored(name, values.get(name, fresh))
        for parameter in self.parameters.values():
            parameter.requires_grad_()
        self.plan_pieces()

    def stored(self, name: str, value: Tensor) -> Tensor:
        """A tensor (S, R, *shape in a single network) in the block's own layout, as a copy."""
        s, r = len(self.grid.seeds), len(self.grid.recipes)
        value = value.to(self.precision.device, self.precision.weights).expand(s, r, *value.shape[2:])
        value = value.mT if value.ndim == 4 else value[:, :, None]  # (S, R, inputs, outputs) or (S, R, 1, F)
        if self.is_first(name):
            value = value.permute(0, 2, 1, 3).reshape(s, value.shape[2], -1)
        return value.contiguous().clone()

    def is_first(self, name: str) -> bool:
        """Whether the parameter is the first layer's, in the layout that shares a seed's inputs."""
        return self.shared_input and name.startswith(f"{self.layer_names[0]}.")

    def grid_view(self, name: str, tensor: Tensor) -> Tensor:
        """A view (S, R, *shape in a single network)."""
        if self.is_first(name):
            s, n, _ = tensor.shape
            tensor = tensor.view(s, n, len(self.grid.recipes), -1).permute(0, 2, 1, 3)
        return tensor.mT if name.endswith(".weight") and not name.startswith("norm") else tensor.squeeze(2)

    def losses(self, x: Tensor, y: Tensor, noise: Noise, pick: Any) -> Tensor:
        """(S, B, F) and (S, B) -> (S, R)."""
        values = {**self.parameters, **self.state}
        h = x[pick]
        for site in range(len(self.network.hidden) + 1):
            if site:
                h = self.linear(h, site)
                for placed in self.layers_at(site, before=True):
                    h = placed.train(self.wide(h), values, noise, pick)
                h = FUNCTIONS[self.network.activation](h)
            for placed in self.layers_at(site, before=False):
                h = placed.train(self.wide(h), values, noise, pick)
        z = self.linear(h, len(self.network.hidden) + 1)
        self.state = {name: values[name].detach() for name in self.state}
        return data_losses(z, y[pick])

    def layers_at(self, site: int, *, before: bool) -> list[PlacedLayer]:
        """The layers at a site, before its activation or after."""
        return [placed for placed in self.layers if placed.site == site and placed.layer.before_activation == before]

    def wide(self, h: Tensor) -> Tensor:
        """Activations for a regularizing layer: (S, R, B, F) in the precision of the weights."""
        h = h if h.ndim == 4 else h[:, None]  # the input itself, which all recipes share
        return h.to(self.precision.weights)

    def linear(self, h: Tensor, number: int) -> Tensor:
        """The ``number``-th linear layer: (S, B, F) or (S, R, B, F) -> (S, R, B, F)."""
        name = self.layer_names[number - 1]
        s, r = len(self.grid.seeds), len(self.grid.recipes)
        w = self.parameters[f"{name}.weight"].to(self.precision.matmul)
        b = self.parameters[f"{name}.bias"].to(self.precision.matmul)
        h = h.to(self.precision.matmul)
        if h.ndim == 3 and self.shared_input:
            out = torch.baddbmm(b, h, w)
            return out.view(s, h.shape[1], r, -1).transpose(1, 2)
        h = h.expand(s, r, *h.shape[2:])
        return torch.baddbmm(b.flatten(0, 1), h.flatten(0, 1), w.flatten(0, 1)).view(s, r, h.shape[2], -1)

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """(rows, F) -> (S, R, rows, outputs)."""
        return self.evaluate(x)[-1].to(self.precision.weights)

    def evaluate(self, x: Tensor) -> list[Tensor]:
        """(rows, F) -> the activations of each hidden layer, and the outputs, each (S, R, rows, F); evaluation mode."""
        values = {**self.parameters, **self.state}
        h = x[None].expand(len(self.grid.seeds), *x.shape)
        if not self.shared_input:
            h = h[:, None]
        seen = []
        for site in range(1, len(self.network.hidden) + 1):
            h = self.linear(h, site)
            for placed in self.layers_at(site, before=True):
                h = placed.evaluate(self.wide(h), values)
            h = FUNCTIONS[self.network.activation](h)
            for placed in self.layers_at(site, before=False):
                h = placed.evaluate(self.wide(h), values)
            seen.append(h)
        return [*seen, self.linear(h, len(self.network.hidden) + 1)]

    @torch.no_grad()
    def unit_ranges(self, x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """(rows, F) -> for each layer the least and greatest value of its units, each (S, R, F)."""
        return {name: (h.amin(2), h.amax(2)) for name, h in zip(self.layer_names, self.evaluate(x), strict=True)}

    def module(self, values: Values, variant: Variant) -> nn.Module:
        """An ordinary ``nn.Sequential`` with the recipe's layers in it."""
        module = with_layers(self.network.build(self.inputs, self.outputs), variant.recipe, self.network, self.inputs)
        module.load_state_dict(values, strict=False)  # not in values: torch's count of batches, which serves nothing
        return module.eval()


def with_layers(plain: nn.Sequential, recipe: Recipe, network: MLP, inputs: int) -> nn.Sequential:
    """The network with the recipe's layers as ordinary modules, named as the block's parameters are."""
    widths = (inputs, *network.hidden)
    placed = placed_layers([recipe], len(network.hidden), CHECKING)
    layers: OrderedDict[str, nn.Module] = OrderedDict()

    def insert(site: int, *, before: bool) -> None:
        for each in placed:
            if each.site == site and each.layer.before_activation == before:
                layers[each.name] = each.layer.module(widths[site])

    insert(0, before=False)
    for name, module in plain.named_children():
        layers[name] = module
        if name != "output":
            site = int(name.removeprefix("linear").removeprefix(network.activation))
            insert(site, before=name.startswith("linear"))
    return nn.Sequential(layers)


def initial_values(network: MLP, inputs: int, outputs: int, seed: int) -> dict[str, np.ndarray]:
    """The initial weights of one seed, named and shaped as in a single network."""
    values = {}
    for number, (name, (fan_in, fan_out)) in enumerate(
        zip(network.layer_names(), pairwise(network.widths(inputs, outputs)), strict=True)
    ):
        values[f"{name}.weight"], values[f"{name}.bias"] = draws.linear_weights(seed, number, fan_in, fan_out)
    return values
