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
from bridle.engine.block import EVALUATE, REESTIMATE, TRAIN, Block, ForwardContext, Pullback
from bridle.engine.forward_regularizers import PlacedActivity, PlacedLayer, place_activities, place_layers
from bridle.engine.linear_layouts import LinearLayout, OutputsFirst, SharedInput
from bridle.engine.mlp_forward import ForwardPass
from bridle.engine.mlp_gradients import GradientsByHand
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


@dataclass
class MLPBlock(Block):
    """A grid of perceptrons.

    Each linear layer has the layout in which its products are fastest. As long as all recipes of a seed see the same
    inputs, one product per seed serves all of its recipes in the first, and the batch is never copied.
    """

    network: MLP
    inputs: int
    outputs: int
    placed: list[PlacedLayer] = field(init=False)
    activities: list[PlacedActivity] = field(init=False)
    shared_input: bool = field(init=False)
    by_hand: GradientsByHand | None = field(init=False, default=None)  # made with the first step
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
    def layouts(self) -> dict[str, LinearLayout]:
        """The layout of each linear layer, by its name."""
        grid = len(self.grid.seeds), len(self.grid.recipes)
        found: dict[str, LinearLayout] = {name: LinearLayout(*grid) for name in self.layer_names}
        found[self.layer_names[-1]] = OutputsFirst(*grid)
        if self.shared_input:
            found[self.layer_names[0]] = SharedInput(*grid)
        return found

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
        self.by_hand = None
        for parameter in self.parameters.values():
            parameter.requires_grad_()

    def from_grid(self, name: ValueName, value: Tensor) -> Tensor:
        """Copy a tensor (S, R, *shape in a single network) into the block's own layout."""
        s, r = len(self.grid.seeds), len(self.grid.recipes)
        value = value.to(self.precision.device, self.precision.weights).expand(s, r, *value.shape[2:])
        return self.stored(name, value).contiguous().clone()

    def stored(self, name: ValueName, value: Tensor) -> Tensor:
        """Return a tensor (S, R, *shape in a single network) in the block's own layout, a view where that is one."""
        if name.fields:
            return value
        layer, _, kind = name.tensor.rpartition(".")
        if layer not in self.layouts:
            return value[:, :, None]
        layout = self.layouts[layer]
        return layout.store_weight(value) if kind == "weight" else layout.store_bias(value)

    def grid_view(self, name: ValueName, tensor: Tensor) -> Tensor:
        """Return a view (S, R, *shape in a single network)."""
        if name.fields:
            return tensor
        layer, _, kind = name.tensor.rpartition(".")
        if layer not in self.layouts:
            return tensor.squeeze(2)
        layout = self.layouts[layer]
        return layout.view_weight(tensor) if kind == "weight" else layout.view_bias(tensor)

    def forward(self, rows: Tensor, context: ForwardContext) -> Tensor:
        """(S, 1 or R, B, F) -> (S, R, B, outputs)."""
        forward = ForwardPass(self, context)
        z = forward.run(rows)[-1]
        self.take_in(forward)
        return z

    def record(self, rows: Tensor, context: ForwardContext) -> tuple[Tensor, Pullback]:
        """Return the outputs in training, (S, R, B, outputs), and the function from their gradient to all gradients."""
        if self.by_hand is None:
            self.by_hand = GradientsByHand(self)
        z, forward = self.by_hand.forward(rows, context)
        self.take_in(forward)
        return z, self.by_hand.backward

    def take_in(self, forward: ForwardPass) -> None:
        """Take in what a pass measured: the penalty on activations and, while training, the state that moved."""
        self.activity_penalty = forward.penalty
        if forward.context.mode in (TRAIN, REESTIMATE):
            self.state = {name: forward.values[name].detach() for name in self.state}

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """(rows, F) -> (S, R, rows, outputs)."""
        return self.evaluate(x)[-1]

    def evaluate(self, x: Tensor) -> list[Tensor]:
        """(rows, F) -> the activations of each hidden layer, and the outputs, each (S, R, rows, F); evaluation mode."""
        rows = x.expand(len(self.grid.seeds), 1, *x.shape)
        return ForwardPass(self, ForwardContext(EVALUATE)).run(rows)

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
