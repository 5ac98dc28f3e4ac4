"""Any other ``nn.Module``, stacked by torch.func: one program over its functional form."""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch._C import _functorch as functorch
from torch.func import vmap
from torch.utils import _pytree as pytree

from bridle.engine.block import EVALUATE, REESTIMATE, TRAIN, TRAINING, Block, ForwardContext
from bridle.engine.block_matrices import as_matrices
from bridle.engine.forward_regularizers import PlacedActivity, PlacedLayer, PlacedWeight, place_activities, place_layers
from bridle.engine.hooked import (
    HookedModule,
    ModuleTensors,
    Placements,
    UnitRanges,
    VariantContext,
    knob_key,
    replaces_own_dropout,
)
from bridle.engine.knob_tensors import Knobs
from bridle.engine.precision import Precision
from bridle.engine.tracing import WHOLE_MODULE, TracedModule
from bridle.engine.user_modules import build_module, dry_run, named_tensors
from bridle.engine.value_names import ValueName, Values
from bridle.engine.variant_grids import VariantGrid
from bridle.global_seeds import SeededStream
from bridle.module_sites import OWN_DROPOUT_STREAMS, PREFIX
from bridle.noise_streams import first_stream_id
from bridle.parameter_selection import Parameter, parameter_description
from bridle.places import Draw
from bridle.places.matrices import as_number
from bridle.places.module import map_size
from bridle.protocol import Variant
from bridle.recipe import Recipe
from bridle.sites import Site

__all__ = ["ModuleBlock"]

Result = TypeVar("Result")
TextKnobs = dict[str, dict[str, str]]  # the words that formulas are told, by what is hung into the module


class VariantInputs(NamedTuple):
    """The tensors that differ from variant to variant: vmap maps over them."""

    parameters: Values
    state: Values
    numbers: dict[str, dict[str, Tensor]]
    noise: dict[str, list[Tensor]]


@dataclass
class ModuleBlock(Block):
    """A grid of copies of one module; parameters and buffers are (seeds·recipes, *shape in a single network)."""

    traced: TracedModule
    stacked: bool  # False: the grid is a single variant whose module torch.func cannot take
    placed: list[PlacedLayer] = field(init=False)
    activities: list[PlacedActivity] = field(init=False)
    hooked: HookedModule = field(init=False)
    buffers: list[ValueName] = field(init=False)
    module_rng: SeededStream | None = field(init=False)  # the random numbers that a module draws by itself
    eval_batch_size = 256  # a convolution's activations are large

    def __post_init__(self) -> None:
        self.placed = self.place_layers_for(self.grid.recipes)
        self.activities = place_activities(self.grid.recipes, self.sites, self.precision)
        self.hooked = HookedModule(self.traced, Placements(self.placed, [], self.activities), self.precision)
        self.buffers = [ValueName(name) for name, _ in self.hooked.module.named_buffers()]
        self.module_rng = None if self.stacked else SeededStream(self.grid.seeds[0])

    @property
    def sites(self) -> list[Site]:
        """The sites that the trace found."""
        return self.traced.sites

    @property
    def statistics(self) -> list[ValueName]:
        """The layers' running statistics, and the module's own buffers that are numbers."""
        own = [name for name in self.buffers if self.state[name].is_floating_point()]
        return [*own, *(name for placed in self.placed for name in placed.state_names)]

    def layer_type(self, parameter: ValueName) -> str:
        """Return the type of the module that owns the parameter, or the regularizer's own."""
        owners = (type(placed.layer).__name__ for placed in self.placed if parameter in placed.parameter_names)
        own = self.traced.module
        return next(owners, None) or type(own.get_submodule(parameter.tensor.rpartition(".")[0])).__name__

    def parameter_descriptions(self) -> list[Parameter]:
        """Describe the parameters as ``on`` sees them; the module's own by what they are there."""
        own, modules = dict(self.traced.module.named_parameters()), dict(self.traced.module.named_modules())
        return [
            parameter_description(modules, each.name, own[each.name]) if each.name in own else each
            for each in super().parameter_descriptions()
        ]

    @classmethod
    def start(
        cls,
        grid: VariantGrid,
        precision: Precision,
        traced: TracedModule,
        *,
        factory: Callable[[], nn.Module],
        stacked: bool,
    ) -> ModuleBlock:
        """Build a block with each seed's initial weights."""
        block = cls(grid, precision, traced, stacked)
        per_seed = [named_tensors(build_module(factory, seed, traced.example)) for seed in grid.seeds]
        block.load_values(
            {ValueName(name): torch.stack([each[name] for each in per_seed])[:, None] for name in per_seed[0]}
        )
        return block

    @property
    def layer_names(self) -> Sequence[str]:
        """The weighted layers as the module calls them, in running order."""
        return self.traced.weighted

    def layer_weights(self, values: Values) -> list[Tensor]:
        """Return each layer's weight: a parameter, or what torch's parametrizations make of parameters."""
        module = self.plain_module(values)
        return [weight_of(module.get_submodule(layer)).detach() for layer in self.layer_names]

    def gamma_name(self, site: int) -> ValueName:
        """Return the name as :meth:`place_layers_for` gives it."""
        return ValueName(f"{PREFIX}{super().gamma_name(site).tensor}")

    def place_layers_for(self, recipes: Sequence[Recipe]) -> list[PlacedLayer]:
        """Place the recipes' layers, under names that the module's own parts do not have."""
        layers = place_layers(recipes, self.sites, self.precision)
        return [replace(each, name=f"{PREFIX}{each.name}") for each in layers]

    def activation_bytes(self, batch: int) -> int:
        """Estimate every part's output for a step, and that of the largest of them for an evaluation (as measured)."""
        left = self.traced.activation_sizes
        numbers = max(1.25 * batch * sum(left), 2.5 * self.eval_batch_size * max(left))
        return round(numbers * self.precision.weights.itemsize)

    def multiply_adds(self, rows: int) -> int:
        """Count each weight of a unit once for each of its outputs."""
        modules = dict(self.hooked.module.named_modules())
        outputs = dict(zip(self.traced.layers, map(math.prod, self.traced.outputs), strict=True))
        return rows * sum(outputs[name] * weight_of(modules[name])[0].numel() for name in self.layer_names)

    def load_values(self, values: Values) -> None:
        """Take parameters and state from tensors (S, R, *shape in a single network); what is missing starts afresh."""
        own = {ValueName(name): each for name, each in self.hooked.module.named_parameters()}
        self.parameters = {name: self.from_grid(name, values[name]) for name, each in own.items() if each.requires_grad}
        frozen = [name for name in own if name not in self.parameters]
        self.state = {name: self.from_grid(name, values[name]) for name in (*frozen, *self.buffers)}
        for placed in self.placed:
            units = self.units(placed)
            for store, starts in zip((self.parameters, self.state), placed.starts, strict=True):
                for name, start in starts:
                    store[name] = self.from_grid(name, values.get(name, torch.full((1, 1, units), as_number(start))))
        self.load_weight_layers(values)
        self.hooked.placements = Placements(self.placed, self.weights, self.activities)
        for parameter in self.parameters.values():
            parameter.requires_grad_()

    def units(self, placed: PlacedLayer) -> int:
        """Return the number of units that pass a layer: channels where there are positions too."""
        return self.shape_at(placed)[0]

    def shape_at(self, placed: PlacedLayer) -> torch.Size:
        """Return the shape of one row where a layer stands."""
        number, hidden = placed.site.number, len(self.traced.layers)
        if number >= hidden:
            return self.traced.other_modules[number - hidden][1]
        return self.traced.outputs[number - 1] if acts_on_output(placed) else self.traced.inputs[number]

    def from_grid(self, name: ValueName, value: Tensor) -> Tensor:
        """(S, R, *shape) -> (S·R, *shape), as a copy."""
        s, r = len(self.grid.seeds), len(self.grid.recipes)
        dtype = self.precision.weights if value.is_floating_point() else value.dtype
        return value.to(self.precision.device, dtype).expand(s, r, *value.shape[2:]).flatten(0, 1).clone()

    def grid_view(self, name: ValueName, tensor: Tensor) -> Tensor:
        """(S·R, *shape) -> (S, R, *shape)."""
        del name  # all are stored alike
        return self.as_grid(tensor)

    def as_grid(self, tensor: Tensor) -> Tensor:
        """(S·R, *shape) -> (S, R, *shape)."""
        return tensor.view(len(self.grid.seeds), len(self.grid.recipes), *tensor.shape[1:])

    def forward(self, rows: Tensor, context: ForwardContext) -> Tensor:
        """(S, 1 or R, B, features) -> (S, R, B, outputs)."""
        s, r = len(self.grid.seeds), len(self.grid.recipes)
        x = rows.expand(s, r, *rows.shape[2:]).flatten(0, 1)
        noise = {
            name: [each.expand(s, r, *each.shape[2:]).flatten(0, 1) for each in drawn]
            for name, drawn in self.draw_noise(context, rows.shape[2]).items()
        }
        one = partial(self.train_one, mode=context.mode)
        z, state, penalty = self.vmap_variants(one, x.view(*x.shape[:2], *self.traced.row), noise)
        self.activity_penalty = penalty.view(s, r) if self.activities and context.mode in TRAINING else None
        if context.mode in (TRAIN, REESTIMATE):
            self.state = {**self.state, **{name: value.detach() for name, value in state.items()}}
        return self.as_grid(z)

    def draw_noise(self, context: ForwardContext, batch: int) -> dict[str, list[Tensor]]:
        """Draw the noise of a pass, by the name of what it is for, each (S, 1, *shape)."""
        if context.mode not in TRAINING:
            return {}
        found: dict[str, list[Tensor]] = {}
        for placed in self.placed:
            row = self.shape_at(placed)
            maps = placed.layer.maps
            subject: tuple[int, ...] = (batch, row[0], *map_size(row[1:])) if maps else flat_shape(batch, row)
            found[placed.name] = context.draw(placed.layer.noise, placed.stream_id, subject)
        for each in self.weights:
            matrix = as_matrices(self.grid_view(each.parameter, self.parameters[each.parameter]))
            found[knob_key(each)] = context.draw(
                each.layer.noise, first_stream_id(each.layer, str(each.parameter)), matrix.shape[2:]
            )
        for number, (name, shape) in enumerate(self.traced.own_dropouts):
            found[name] = context.draw((Draw(),), OWN_DROPOUT_STREAMS + number, flat_shape(batch, shape))
        return found

    def vmap_variants(
        self,
        one: Callable[[TextKnobs, VariantInputs, Tensor], Result],
        x: Tensor,
        noise: dict[str, list[Tensor]],
        x_dim: int | None = 0,
    ) -> Result:
        """Map one variant's function over all variants."""
        numbers: dict[str, dict[str, Tensor]] = {}
        text_knobs: TextKnobs = {}
        placements: list[PlacedLayer | PlacedWeight | PlacedActivity] = [*self.placed, *self.weights, *self.activities]
        for each in placements:
            knobs = each.knobs.at(self.passed)
            tensor_knobs = {name: value for name, value in knobs.items() if isinstance(value, Tensor)}
            text_knobs[knob_key(each)] = {name: value for name, value in knobs.items() if isinstance(value, str)}
            numbers[knob_key(each)] = {k: v.flatten().repeat(len(self.grid.seeds)) for k, v in tensor_knobs.items()}
        state = {name: value for name, value in self.state.items() if not name.copied_by}
        inputs = VariantInputs(self.parameters, state, numbers, noise)
        with_text_knobs = partial(one, text_knobs)
        if self.module_rng is None:
            with suppress_vmap_warnings():
                mapped: Result = vmap(with_text_knobs, in_dims=(0, x_dim))(inputs, x)
            return mapped
        alone: VariantInputs = pytree.tree_map(lambda tensor: tensor[0], inputs)
        with self.module_rng.resumed():
            found = with_text_knobs(alone, x[0] if x_dim == 0 else x)
        stacked: Result = pytree.tree_map(lambda tensor: tensor[None], found)
        return stacked

    def variant_context(
        self, mode: str, text_knobs: TextKnobs, inputs: VariantInputs, ranges: UnitRanges | None = None
    ) -> tuple[VariantContext, ModuleTensors]:
        """Return the context of one variant's pass, and its module's buffers."""
        buffers = {name.tensor: inputs.state[name].clone() for name in self.buffers}
        own = {name: value for name, value in inputs.state.items() if name not in self.buffers}
        knobs: dict[str, Knobs] = {name: {**each, **text_knobs[name]} for name, each in inputs.numbers.items()}
        return VariantContext(mode, {**inputs.parameters, **own}, knobs, inputs.noise, ranges=ranges), buffers

    def train_one(
        self, text_knobs: TextKnobs, inputs: VariantInputs, x: Tensor, *, mode: str
    ) -> tuple[Tensor, Values, Tensor]:
        """Run one variant to its outputs (batch, outputs), its new state, and its penalties on activations."""
        context, buffers = self.variant_context(mode, text_knobs, inputs)
        z = self.hooked(context, buffers, x)
        state = {**context.state, **{name: buffers[name.tensor] for name in self.buffers}}
        return z, state, z.new_zeros(()) + context.penalty

    def evaluate_one(self, text_knobs: TextKnobs, inputs: VariantInputs, x: Tensor) -> Tensor:
        """Run one variant to its outputs (rows, outputs) in evaluation mode."""
        context, buffers = self.variant_context(EVALUATE, text_knobs, inputs)
        return self.hooked(context, buffers, x)

    def ranges_one(self, text_knobs: TextKnobs, inputs: VariantInputs, x: Tensor) -> UnitRanges:
        """Find one variant's least and greatest value of each unit."""
        ranges: UnitRanges = {}
        context, buffers = self.variant_context(EVALUATE, text_knobs, inputs, ranges)
        self.hooked(context, buffers, x)
        return ranges

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """(rows, ...) -> (S, R, rows, outputs)."""
        return self.as_grid(self.vmap_variants(self.evaluate_one, x, {}, None))

    @torch.no_grad()
    def unit_ranges(self, x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """(rows, ...) -> for each weighted layer the least and greatest value of its units, each (S, R, units)."""
        ranges = self.vmap_variants(self.ranges_one, x, {}, None)
        found = ((name, *ranges[name]) for name in self.layer_names)
        return {name: (self.as_grid(least), self.as_grid(greatest)) for name, least, greatest in found}

    def module(self, values: Values, variant: Variant) -> nn.Module:
        """Build the module with these values, the recipe's layers around its weighted layers in ``nn.Sequential``."""
        plain = self.with_layers(values, variant, nn.Sequential)
        try:
            dry_run(copy.deepcopy(plain), self.traced.example)
        except ValueError:
            return self.with_layers(values, variant, WrappedLayer)
        return plain

    def with_layers(self, values: Values, variant: Variant, around_layer: type[nn.Sequential]) -> nn.Module:
        """Build the module with these values and the recipe's layers."""
        module = whole = self.plain_module(values)
        layers = self.place_layers_for([variant.recipe])
        for position, name in enumerate(self.traced.layers):
            before = [each for each in layers if each.site.number == position and not acts_on_output(each)]
            behind = [each for each in layers if each.site.number == position + 1 and acts_on_output(each)]
            around = OrderedDict((each.name, self.layer_module(each, values)) for each in before)
            around["layer"] = module.get_submodule(name)
            around.update((each.name, self.layer_module(each, values)) for each in behind)
            if (before or behind) and name == WHOLE_MODULE:
                whole = around_layer(around)
            elif before or behind:
                module.set_submodule(name, around_layer(around))
        for each in layers:
            if each.site.number >= len(self.traced.layers):
                name = self.traced.other_modules[each.site.number - len(self.traced.layers)][0]
                point, layer = module.get_submodule(name), self.layer_module(each, values)
                instead = isinstance(point, nn.Dropout) and replaces_own_dropout([each], each.site)
                both = around_layer(OrderedDict({"point": point, each.name: layer}))
                module.set_submodule(name, layer if instead else both)
        return whole.eval()

    def plain_module(self, values: Values) -> nn.Module:
        """Build the module with these values, in evaluation mode."""
        module = copy.deepcopy(self.traced.module).eval()
        with torch.no_grad():
            for name, tensor in named_tensors(module).items():
                tensor.copy_(values[ValueName(name)])
            for part in module.modules():
                for hook in part._forward_pre_hooks.values():
                    if hasattr(hook, "compute_weight"):  # torch's older weight_norm and spectral_norm
                        hook(part, ())
        return module

    def layer_module(self, placed: PlacedLayer, values: Values) -> nn.Module:
        """Build an ordinary module for one of the recipe's layers, with its values."""
        layer = (
            placed.layer.at_moment(*placed.site.names)
            .make_module(self.units(placed), len(self.shape_at(placed)) + 1)
            .to(self.precision.weights)
        )
        kinds = (*placed.layer.parameters, *placed.layer.state._fields)
        own = {kind: values[placed.value_name(kind)] for kind in kinds}
        layer.load_state_dict(own, strict=False)  # not in values: torch's count of batches, which serves nothing
        return layer


class WrappedLayer(nn.Sequential):
    """A weighted layer between those of a recipe, for a module that also reads the layer's weight itself."""

    def __init__(self, parts: OrderedDict[str, nn.Module]) -> None:
        super().__init__(parts)
        self.register_forward_hook(
            noop_hook
        )  # torch's transformer layers skip the modules in them where none has a hook

    def __getattr__(self, name: str) -> Tensor | nn.Module:
        parts = self.__dict__.get("_modules", {})
        layer = parts.get("layer", parts.get("point"))
        return super().__getattr__(name) if name in parts or layer is None else getattr(layer, name)


def weight_of(layer: nn.Module) -> Tensor:
    """Return a layer's weight: a parameter, or what a parametrization makes."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight


def noop_hook(module: nn.Module, inputs: object, output: object) -> None:
    """Change nothing: that there is a hook is enough."""


@contextmanager
def suppress_vmap_warnings() -> Iterator[None]:
    """Keep torch.func from warning of operations that it does one copy after the other: it would say so of most."""
    show_warnings: Callable[[bool], None] = functorch.__dict__["_set_vmap_fallback_warning_enabled"]
    show_warnings(False)
    try:
        yield
    finally:
        show_warnings(True)


def acts_on_output(placed: PlacedLayer) -> bool:
    """Return True for a layer that acts on a weighted layer's output, not on the next one's input."""
    return placed.layer.before_activation and placed.site.number > 0


def flat_shape(batch: int, shape: torch.Size) -> tuple[int, int]:
    """(rows and positions, units) of activations whose rows have ``shape``."""
    return batch * math.prod(shape[1:]), shape[0]
