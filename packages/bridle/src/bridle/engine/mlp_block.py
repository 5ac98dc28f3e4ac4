"""Multilayer perceptrons stacked by hand.

Shape suffixes: S seeds, R recipes, V = S·R variants, B rows of a batch, F units of a layer.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from bridle import seeded_draws
from bridle.engine.block import EVALUATE, REESTIMATE, TRAIN, TRAINING, Block, ForwardContext
from bridle.engine.forward_regularizers import PlacedActivity, PlacedLayer, place_activities, place_layers
from bridle.engine.precision import Precision
from bridle.engine.value_names import ValueName, Values, network_tensors
from bridle.engine.variant_grids import VariantGrid
from bridle.networks import MLP
from bridle.places.matrices import as_number
from bridle.protocol import Variant
from bridle.recipe import Recipe
from bridle.sites import Site, hidden_site, input_site

__all__ = ["MLPBlock"]

CHECKING = Precision(torch.float64, torch.float64, torch.device("cpu"))
FUNCTIONS = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "selu": torch.selu}


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
    placed: list[PlacedLayer] = field(init=False)
    activities: list[PlacedActivity] = field(init=False)
    shared_input: bool = field(init=False)
    eval_batch_size = 4096

    def __post_init__(self) -> None:
        recipes = self.grid.recipes
        self.placed = place_layers(recipes, self.sites, self.precision)
        self.activities = place_activities(recipes, self.sites, self.precision)
        own_inputs = any(each.place == "batch" or (each.on_outputs and each.second_pass) for each in recipes[0])
        self.shared_input = not own_inputs and not any(placed.site.number == 0 for placed in self.placed)

    @cached_property
    def layer_names(self) -> tuple[str, ...]:
        """linear1, linear2, ..., output."""
        return self.network.layer_names()

    @cached_property
    def matrices(self) -> set[str]:
        """The weights of the linear layers."""
        return {f"{layer}.weight" for layer in self.layer_names}

    @cached_property
    def seed_major(self) -> set[str]:
        """The parameters that are stored by seed, so that all of its recipes share the inputs: the first layer's."""
        return {f"{self.layer_names[0]}.{kind}" for kind in ("weight", "bias") if self.shared_input}

    @cached_property
    def sites(self) -> list[Site]:
        """The input, and behind each hidden layer."""
        return mlp_sites(self.network)

    @property
    def statistics(self) -> list[ValueName]:
        """The layers' running statistics."""
        return [name for placed in self.placed for name in placed.state_names]

    def layer_type(self, parameter: ValueName) -> str:
        """Return Linear, or the regularizer's own type."""
        owners = (type(placed.layer).__name__ for placed in self.placed if parameter in placed.parameter_names)
        return next(owners, "Linear")

    def activation_bytes(self, batch: int) -> int:
        """Estimate six arrays of each width for a step, and one for an evaluation."""
        rows = max(6 * batch, self.eval_batch_size)
        return rows * self.precision.weights.itemsize * sum(self.network.widths(0, self.outputs))

    def multiply_adds(self, rows: int) -> int:
        """Count those of the linear layers."""
        return rows * sum(
            fan_in * fan_out for fan_in, fan_out in pairwise(self.network.widths(self.inputs, self.outputs))
        )

    @classmethod
    def start(cls, grid: VariantGrid, precision: Precision, *, network: MLP, inputs: int, outputs: int) -> MLPBlock:
        """Build a block with each seed's initial weights."""
        block = cls(grid, precision, network, inputs, outputs)
        per_seed = [initial_values(network, inputs, outputs, seed) for seed in grid.seeds]
        values = {name: torch.from_numpy(np.stack([each[name] for each in per_seed])) for name in per_seed[0]}
        # All recipes of a seed start alike.
        block.load_values({ValueName(name): value[:, None] for name, value in values.items()})
        return block

    def load_values(self, values: Values) -> None:
        """Take parameters and state from tensors (S, R, *shape in a single network); what is missing starts afresh."""
        names = [ValueName(f"{layer}.{kind}") for layer in self.layer_names for kind in ("weight", "bias")]
        self.parameters = {name: self.from_grid(name, values[name]) for name in names}
        self.state = {}
        widths = self.network.widths(self.inputs, self.outputs)
        for placed in self.placed:
            for store, starts in zip((self.parameters, self.state), placed.starts, strict=True):
                for name, start in starts:
                    fresh = torch.full((1, 1, widths[placed.site.number]), as_number(start))
                    store[name] = self.from_grid(name, values.get(name, fresh))
        self.load_weight_layers(values)
        for parameter in self.parameters.values():
            parameter.requires_grad_()

    def from_grid(self, name: ValueName, value: Tensor) -> Tensor:
        """Copy a tensor (S, R, *shape in a single network) into the block's own layout."""
        s, r = len(self.grid.seeds), len(self.grid.recipes)
        value = value.to(self.precision.device, self.precision.weights).expand(s, r, *value.shape[2:])
        if name.fields:
            return value.contiguous().clone()
        value = value.mT if value.ndim == 4 else value[:, :, None]  # (S, R, inputs, outputs) or (S, R, 1, F)
        if name.tensor in self.seed_major:
            value = value.permute(0, 2, 1, 3).reshape(s, value.shape[2], -1)
        return value.contiguous().clone()

    def grid_view(self, name: ValueName, tensor: Tensor) -> Tensor:
        """Return a view (S, R, *shape in a single network)."""
        if name.fields:
            return tensor
        if name.tensor in self.seed_major:
            s, n, _ = tensor.shape
            tensor = tensor.view(s, n, len(self.grid.recipes), -1).permute(0, 2, 1, 3)
        return tensor.mT if name.tensor in self.matrices else tensor.squeeze(2)

    def forward(self, rows: Tensor, context: ForwardContext) -> Tensor:
        """(S, 1 or R, B, F) -> (S, R, B, outputs)."""
        values = {**self.parameters, **self.state}
        self.activity_penalty = None
        z = self.activations(rows, values, context)[-1]
        if context.mode in (TRAIN, REESTIMATE):
            self.state = {name: values[name].detach() for name in self.state}
        return z

    def activations(self, rows: Tensor, values: Values, context: ForwardContext) -> list[Tensor]:
        """(S, 1 or R, B, F) -> the activations of each hidden layer, and the outputs, each (S, R, B, F)."""
        h = rows[:, 0] if self.shared_input else rows
        seen = []
        for site in self.sites:
            if site.number:
                h = self.linear(h, site.number, values, context)
            h = self.apply_layers(h, site, values, context, before=True)
            if site.number:
                h = FUNCTIONS[self.network.activation](h)
            self.add_activity_penalties(h, site, context)
            seen.append(h)
            h = self.apply_layers(h, site, values, context, before=False)
        return [*seen[1:], self.linear(h, len(self.layer_names), values, context)]

    def apply_layers(self, h: Tensor, site: Site, values: Values, context: ForwardContext, *, before: bool) -> Tensor:
        """Apply the layers at a site, before its activation or after; new state goes into ``values``."""
        for placed in self.placed:
            if placed.site == site and placed.layer.before_activation == before:
                wide = self.to_weight_precision(h)
                out = self.apply_layer(placed, wide[..., None, None] if placed.layer.maps else wide, values, context)
                h = out.flatten(3) if placed.layer.maps else out
        return h

    def to_weight_precision(self, h: Tensor) -> Tensor:
        """Return activations for a regularizer: (S, 1 or R, B, F) in the precision of the weights."""
        h = h if h.ndim == 4 else h[:, None]  # the input itself, which all recipes share
        return h.to(self.precision.weights)

    def apply_layer(self, placed: PlacedLayer, h: Tensor, values: Values, context: ForwardContext) -> Tensor:
        """Apply one layer; what it learns and remembers broadcasts against what it acts on."""
        layer, knobs = placed.layer, placed.knobs.at(self.passed)
        parameters, state = (
            [values[n].view(*values[n].shape[:2], 1, -1, 1, 1) if layer.maps else values[n] for n in names]
            for names in (placed.parameter_names, placed.state_names)
        )
        if context.mode == EVALUATE or (context.mode == REESTIMATE and not layer.state):
            evaluated: Tensor = layer.call_evaluate(h, parameters, state, knobs)
            return evaluated
        if context.mode == REESTIMATE:  # what is remembered is then this batch alone
            knobs = layer.reestimating(knobs)
        noise = context.draw(layer.noise, placed.stream_id, h.shape[2:])
        out, new = layer.call_torch(h, noise, parameters, state, knobs)
        for name, value in zip(placed.state_names, new, strict=True):
            values[name] = value.view_as(values[name])
        return out

    def add_activity_penalties(self, h: Tensor, site: Site, context: ForwardContext) -> None:
        """Note the penalties on the activations of a site."""
        for each in self.activities:
            if each.site == site and context.mode in TRAINING:
                penalty = each.unit.torch(self.to_weight_precision(h), **each.knobs.at(self.passed))
                self.activity_penalty = penalty if self.activity_penalty is None else self.activity_penalty + penalty

    def linear(self, h: Tensor, number: int, values: Values, context: ForwardContext) -> Tensor:
        """Apply the ``number``-th linear layer: (S, B, F) or (S, 1 or R, B, F) -> (S, R, B, F)."""
        s, r = len(self.grid.seeds), len(self.grid.recipes)
        name = self.layer_names[number - 1]
        dtype = self.precision.matmul_dtype(training=context.mode in TRAINING)
        w = self.weight(ValueName(f"{name}.weight"), values, context).to(dtype)
        b = self.parameters[ValueName(f"{name}.bias")].to(dtype)
        h = h.to(dtype)
        if h.ndim == 3:
            out = torch.baddbmm(b, h, w)
            return out.view(s, h.shape[1], r, -1).transpose(1, 2)
        h = h.expand(s, r, *h.shape[2:])
        return torch.baddbmm(b.flatten(0, 1), h.flatten(0, 1), w.flatten(0, 1)).view(s, r, h.shape[2], -1)

    def weight(self, name: ValueName, values: Values, context: ForwardContext) -> Tensor:
        """Return a linear layer's weight as it acts, in the layout in which it is stored."""
        w = self.parameters[name]
        for placed in self.weights:
            if placed.parameter == name:
                acting = self.effective_weight(placed, self.grid_view(name, w), values, context).mT
                w = acting.permute(0, 2, 1, 3).reshape(w.shape) if name.tensor in self.seed_major else acting
        return w

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """(rows, F) -> (S, R, rows, outputs)."""
        return self.evaluate(x)[-1]

    def evaluate(self, x: Tensor) -> list[Tensor]:
        """(rows, F) -> the activations of each hidden layer, and the outputs, each (S, R, rows, F); evaluation mode."""
        rows = x.expand(len(self.grid.seeds), 1, *x.shape)
        return self.activations(rows, {**self.parameters, **self.state}, ForwardContext(EVALUATE))

    @torch.no_grad()
    def unit_ranges(self, x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """(rows, F) -> for each layer the least and greatest value of its units, each (S, R, F)."""
        return {name: (h.amin(2), h.amax(2)) for name, h in zip(self.layer_names, self.evaluate(x), strict=True)}

    def module(self, values: Values, variant: Variant) -> nn.Module:
        """Build an ordinary ``nn.Sequential`` with the recipe's layers in it."""
        module = with_layers(self.network.build(self.inputs, self.outputs), variant.recipe, self.network, self.inputs)
        module.to(self.precision.weights)
        # Not in values: torch's count of batches, which serves nothing.
        module.load_state_dict(network_tensors(values), strict=False)
        return module.eval()


def mlp_sites(network: MLP) -> list[Site]:
    """Return the sites of a perceptron: the input, and one behind each hidden layer."""
    hidden = network.layer_names()[:-1]
    return [input_site(), *(hidden_site(number, name, "Linear") for number, name in enumerate(hidden, start=1))]


def with_layers(plain: nn.Sequential, recipe: Recipe, network: MLP, inputs: int) -> nn.Sequential:
    """Put the recipe's layers into the network as ordinary modules, named as the block's parameters are."""
    widths = (inputs, *network.hidden)
    placed = place_layers([recipe], mlp_sites(network), CHECKING)
    layers: OrderedDict[str, nn.Module] = OrderedDict()

    def insert(site: int, *, before: bool) -> None:
        for each in placed:
            if each.site.number == site and each.layer.before_activation == before:
                layers[each.name] = each.layer.at_moment(*each.site.names).module(widths[site])

    insert(0, before=True)
    insert(0, before=False)
    site = 0
    for name, module in plain.named_children():
        layers[name] = module
        is_linear = isinstance(module, nn.Linear)
        site += is_linear
        if site < len(widths):  # nothing stands behind the output layer
            insert(site, before=is_linear)
    return nn.Sequential(layers)


def initial_values(network: MLP, inputs: int, outputs: int, seed: int) -> dict[str, np.ndarray]:
    """Draw the initial weights of one seed, named and shaped as in a single network."""
    values = {}
    for number, (name, (fan_in, fan_out)) in enumerate(
        zip(network.layer_names(), pairwise(network.widths(inputs, outputs)), strict=True)
    ):
        values[f"{name}.weight"], values[f"{name}.bias"] = seeded_draws.linear_weights(seed, number, fan_in, fan_out)
    return values
