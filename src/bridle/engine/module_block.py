"""Any other ``nn.Module``, stacked by torch.func: one program over its functional form."""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.utils import _pytree as pytree

from bridle.engine.block import Block, Values
from bridle.engine.feed import Noise
from bridle.engine.hooked import HookedModule, Passing
from bridle.engine.losses import data_losses
from bridle.engine.outline import Outline, make
from bridle.engine.plan import Grid
from bridle.engine.precision import Precision
from bridle.engine.sites import PlacedLayer, placed_layers
from bridle.protocol import Variant
from bridle.recipe import Recipe

PREFIX = "recipe_"  # of the layers that a recipe adds: a module may well have a norm1 of its own
OWN_DROPOUT_SPOTS = 2**16  # the noise of the module's own dropout layers is numbered from here
ROWS_AT_A_TIME = 256  # of an evaluation: a convolution's activations are large


@dataclass
class ModuleBlock(Block):
    """A grid of copies of one module; parameters and buffers are (seeds·recipes, *shape in a single network)."""

    outline: Outline
    stacked: bool  # False: the grid is a single variant whose module torch.func cannot take
    layers: list[PlacedLayer] = field(init=False)
    hooked: HookedModule = field(init=False)
    buffers: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.layers = self.placed(self.grid.recipes)
        self.hooked = HookedModule(self.outline, self.layers, self.precision)
        self.buffers = [name for name, _ in self.hooked.module.named_buffers()]

    @classmethod
    def start(
        cls,
        grid: Grid,
        precision: Precision,
        optimizer: str,
        outline: Outline,
        *,
        factory: Callable[[], nn.Module],
        stacked: bool,
    ) -> ModuleBlock:
        """A block with each seed's initial weights."""
        block = cls(grid, precision, optimizer, outline, stacked)
        per_seed = [tensors(make(factory, seed)) for seed in grid.seeds]
        block.fill({name: torch.stack([each[name] for each in per_seed])[:, None] for name in per_seed[0]})
        return block

    @property
    def layer_names(self) -> Sequence[str]:
        """As the module calls them, in running order."""
        return self.outline.layers

    def weight_name(self, layer: str) -> str:
        """The parameter that is the weight of a layer; another layer's, where two share one."""
        weight = self.hooked.module.get_submodule(layer).weight
        return next(name for name, parameter in self.hooked.module.named_parameters() if parameter is weight)

    def gamma_name(self, site: int) -> str:
        """As the block calls it: see :meth:`placed`."""
        return f"{PREFIX}{super().gamma_name(site)}"

    def placed(self, recipes: Sequence[Recipe]) -> list[PlacedLayer]:
        """The recipes' layers, under names that the module's own parts do not have."""
        layers = placed_layers(recipes, len(self.outline.layers) - 1, self.precision)
        return [replace(each, name=f"{PREFIX}{each.name}") for each in layers]

    def activation_bytes(self, rows: int) -> int:
        """About what one variant's activations take: twice the weighted layers', as those between keep theirs too."""
        return 2 * rows * self.precision.weights.itemsize * sum(math.prod(shape) for shape in self.outline.outputs)

    def fill(self, values: Values) -> None:
        """Take parameters and state from tensors (S, R, *shape in a single network); what is missing starts afresh."""
        own = dict(self.hooked.module.named_parameters())
        self.parameters = {name: self.stored(name, values[name]) for name, each in own.items() if each.requires_grad}
        frozen = [name for name in own if name not in self.parameters]
        self.state = {name: self.stored(name, values[name]) for name in (*frozen, *self.buffers)}
        for placed in self.layers:
            units = self.units(placed)
            for store, initial in ((self.parameters, placed.layer.parameters), (self.state, placed.layer.state)):
                for kind, start in initial.items():
                    name = f"{placed.name}.{kind}"
                    store[name] = self.stored(name, values.get(name, torch.full((1, 1, units), start)))
        for parameter in self.parameters.values():
            parameter.requires_grad_()
        self.plan_pieces()

    def units(self, placed: PlacedLayer) -> int:
        """How many units pass a layer: channels where there are positions too."""
        return self.shape_at(placed)[0]

    def shape_at(self, placed: PlacedLayer) -> torch.Size:
        """The shape of one row where a layer stands."""
        behind = placed.layer.before_activation
        return self.outline.outputs[placed.site - 1] if behind else self.outline.inputs[placed.site]

    def stored(self, name: str, value: Tensor) -> Tensor:
        """(S, R, *shape) -> (S·R, *shape), as a copy."""
        s, r = len(self.grid.seeds), len(self.grid.recipes)
        dtype = self.precision.weights if value.is_floating_point() else value.dtype
        return value.to(self.precision.device, dtype).expand(s, r, *value.shape[2:]).flatten(0, 1).clone()

    def grid_view(self, name: str, tensor: Tensor) -> Tensor:
        """(S·R, *shape) -> (S, R, *shape)."""
        return tensor.view(len(self.grid.seeds), len(self.grid.recipes), *tensor.shape[1:])

    def losses(self, x: Tensor, y: Tensor, noise: Noise, pick: Any) -> Tensor:
        """(S, B, ...) and (S, B) -> (S, R)."""
        s, r = len(self.grid.seeds), len(self.grid.recipes)
        drawn = {key: value[pick] for key, value in self.drawn(noise, x.shape[1]).items()}
        spread = {key: value[:, None].expand(s, r, *value.shape[1:]).flatten(0, 1) for key, value in drawn.items()}
        rows = x[pick][:, None].expand(s, r, *x.shape[1:]).flatten(0, 1)
        z, state = self.run(self.train_one, rows, spread)
        self.state = {name: value.detach() for name, value in state.items()}
        return data_losses(z.view(s, r, *z.shape[1:]), y[pick])

    def drawn(self, noise: Noise, batch: int) -> Values:
        """The noise of a step by the name of the layer that it is for, each (seeds of the stack, rows, units)."""
        found = {}
        for placed in self.layers:
            if placed.layer.draws_noise:
                shape = self.shape_at(placed)
                found[placed.name] = noise.uniform(placed.spot, *flat_shape(batch, shape))
        for number, (name, shape) in enumerate(self.outline.own_dropouts):
            found[name] = noise.uniform(OWN_DROPOUT_SPOTS + number, *flat_shape(batch, shape))
        return found

    def run(self, one: Callable[..., Any], x: Tensor, noise: Values, x_dim: int | None = 0) -> Any:
        """``one`` variant's function, over all of them."""
        numbers = {placed.name: {k: v.flatten() for k, v in placed.numbers.items()} for placed in self.layers}
        seeds = len(self.grid.seeds)
        knobs = {name: {k: v.repeat(seeds) for k, v in each.items()} for name, each in numbers.items()}
        arguments = (self.parameters, self.state, knobs, noise)
        if self.stacked:
            return vmap(one, in_dims=(0, 0, 0, 0, x_dim))(*arguments, x)
        alone = pytree.tree_map(lambda tensor: tensor[0], arguments)
        return pytree.tree_map(lambda tensor: tensor[None], one(*alone, x[0] if x_dim == 0 else x))

    def train_one(
        self, parameters: Values, state: Values, numbers: Any, noise: Values, x: Tensor
    ) -> tuple[Tensor, Values]:
        """One variant's outputs (batch, outputs) in training mode, and its new state."""
        buffers = {name: state[name].clone() for name in self.buffers}
        own = {name: value for name, value in state.items() if name not in buffers}
        passing = Passing({**parameters, **own}, numbers, noise, training=True)
        z = self.hooked(passing, buffers, x)
        return z, {**own, **passing.state, **buffers}

    def evaluate_one(self, parameters: Values, state: Values, numbers: Any, noise: Values, x: Tensor) -> Tensor:
        """One variant's outputs (rows, outputs) in evaluation mode."""
        passing = Passing({**parameters, **state}, numbers, noise, training=False)
        return self.hooked(passing, {n: state[n] for n in self.buffers}, x)

    def ranges_one(self, parameters: Values, state: Values, numbers: Any, noise: Values, x: Tensor) -> Any:
        """One variant's least and greatest value of each unit."""
        passing = Passing({**parameters, **state}, numbers, noise, training=False, ranges={})
        self.hooked(passing, {n: state[n] for n in self.buffers}, x)
        return passing.ranges

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """(rows, ...) -> (S, R, rows, outputs)."""
        parts = [self.run(self.evaluate_one, part, {}, None) for part in torch.split(x, ROWS_AT_A_TIME)]
        return self.grid_view("", torch.cat(parts, 1))

    @torch.no_grad()
    def unit_ranges(self, x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """(rows, ...) -> for each weighted layer the least and greatest value of its units, each (S, R, units)."""
        parts = [self.run(self.ranges_one, part, {}, None) for part in torch.split(x, ROWS_AT_A_TIME)]
        return {
            name: (
                self.grid_view(name, torch.stack([part[name][0] for part in parts]).amin(0)),
                self.grid_view(name, torch.stack([part[name][1] for part in parts]).amax(0)),
            )
            for name in self.layer_names
        }

    def module(self, values: Values, variant: Variant) -> nn.Module:
        """The module with these values; the recipe's layers stand around its weighted layers in ``nn.Sequential``."""
        module = copy.deepcopy(self.outline.module).to(self.precision.weights)
        with torch.no_grad():
            for name, tensor in tensors(module).items():
                tensor.copy_(values[name])
        layers = self.placed([variant.recipe])
        for position, name in enumerate(self.layer_names):
            before = [each for each in layers if each.site == position and not each.layer.before_activation]
            behind = [each for each in layers if each.site == position + 1 and each.layer.before_activation]
            around = OrderedDict((each.name, self.filled_layer(each, values)) for each in before)
            around["layer"] = module.get_submodule(name)
            around.update((each.name, self.filled_layer(each, values)) for each in behind)
            if before or behind:
                module.set_submodule(name, nn.Sequential(around))
        return module.eval()

    def filled_layer(self, placed: PlacedLayer, values: Values) -> nn.Module:
        """An ordinary module for one of the recipe's layers, with its values."""
        layer = placed.layer.module(self.units(placed), len(self.shape_at(placed)) + 1).to(self.precision.weights)
        prefix = f"{placed.name}."
        own = {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
        layer.load_state_dict(own, strict=False)  # not in values: torch's count of batches, which serves nothing
        return layer


def tensors(module: nn.Module) -> Values:
    """A module's parameters and buffers, tied ones once."""
    return {name: each.detach() for name, each in (*module.named_parameters(), *module.named_buffers())}


def flat_shape(batch: int, shape: torch.Size) -> tuple[int, int]:
    """(rows and positions, units) of activations whose rows have ``shape``."""
    return batch * math.prod(shape[1:]), shape[0]
