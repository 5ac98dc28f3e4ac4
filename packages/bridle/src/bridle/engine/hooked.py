"""A module with a recipe's layers in hooks, run with parameters, noise and state given from outside."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bridle.engine.block import EVALUATE, REESTIMATE, TRAIN, TRAINING
from bridle.engine.forward_regularizers import PlacedActivity, PlacedLayer, PlacedWeight
from bridle.engine.knob_tensors import Knobs
from bridle.engine.precision import Precision
from bridle.engine.tracing import TracedModule, check_output
from bridle.engine.user_modules import cast
from bridle.engine.value_names import ValueName, Values
from bridle.errors import StateError
from bridle.places.module import as_maps, as_units
from bridle.regularizers import Dropout
from bridle.sites import Site

__all__ = [
    "CHECKPOINTED",
    "HookedModule",
    "ModuleTensors",
    "Placements",
    "UnitRanges",
    "VariantContext",
    "knob_key",
    "replaces_own_dropout",
]

InputHook = Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]
OutputHook = Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]
ModuleTensors = dict[str, Tensor]  # parameters or buffers, as the module calls them
UnitRanges = dict[str, tuple[Tensor, Tensor]]  # least and greatest value of each unit, by layer
CHECKPOINTED = (
    "parts of the network run again in the backward pass, when the weights of the run are not in it; switch its "
    "activation checkpointing off"
)


@dataclass(frozen=True)
class Placements:
    """The layers, weight layers and activity penalties that recipes place in a module."""

    layers: Sequence[PlacedLayer]
    weights: Sequence[PlacedWeight]
    activities: Sequence[PlacedActivity]


@dataclass
class VariantContext:
    """The values, knobs and noise of one variant that hooks read and write while its forward pass runs."""

    mode: str
    values: Values
    knobs: dict[str, Knobs]  # by what is hung; see knob_key()
    noise: dict[str, list[Tensor]]
    state: Values = field(default_factory=dict)
    penalty: Tensor | float = 0.0
    ranges: UnitRanges | None = None

    @property
    def training(self) -> bool:
        """True in the modes in which noise is drawn."""
        return self.mode in TRAINING


class HookedModule:
    """The module of all variants, which holds no variant's values.

    The recipe's layers act on the weighted layers (linear and convolutional) in the order in which these run: those
    that come before the activation on the k-th one's output, the others on the next one's input. Where a layer names
    another module, it acts on that one's output.
    """

    def __init__(self, traced: TracedModule, placements: Placements, precision: Precision) -> None:
        self.traced, self.placements, self.precision = traced, placements, precision
        self.module = cast(copy.deepcopy(traced.module).to(precision.device), precision.weights)
        self.parameter_names = [ValueName(name) for name, _ in self.module.named_parameters()]
        self.context: VariantContext | None = None
        modules = dict(self.module.named_modules())
        sites = traced.sites
        for number, name in enumerate(traced.layers):
            modules[name].register_forward_pre_hook(self.before_layer(number))
            modules[name].register_forward_hook(self.after_layer(number + 1))
        sites_by_module = {
            name: site for site, (name, _) in zip(sites[len(traced.layers) :], traced.other_modules, strict=True)
        }
        for number, (name, _) in enumerate(traced.own_dropouts):
            if not replaces_own_dropout(placements.layers, sites_by_module[name]):
                modules[name].register_forward_hook(self.own_dropout(number))
        wanted = {*(each.site for each in placements.layers), *(each.site for each in placements.activities)}
        for name, site in sites_by_module.items():
            if site in wanted:
                modules[name].register_forward_hook(self.after_module(site.number))
        self.set_mode(TRAIN)
        norms = [each for each in modules.values() if isinstance(each, nn.modules.batchnorm._BatchNorm)]
        self.norms = [norm for norm in norms if norm.training]

    def __call__(self, context: VariantContext, buffers: ModuleTensors, x: Tensor) -> Tensor:
        """Run the module's own forward pass, with the hooks acting for one variant; ``buffers`` change in place."""
        self.set_mode(context.mode)
        kept = [norm.momentum for norm in self.norms]
        if context.mode == REESTIMATE:
            for norm in self.norms:
                norm.train()
                norm.momentum = 1.0  # what is remembered is then this batch alone
        own = {name.tensor: context.values[name] for name in self.parameter_names}
        self.context = context
        for placed in self.placements.weights:
            weight = placed.parameter.tensor
            own[weight] = self.effective_weight(placed, own[weight], context)
        dtype = self.precision.matmul_dtype(training=context.training)
        try:
            with torch.autocast(x.device.type, dtype, enabled=dtype == torch.bfloat16):
                together = {**own, **buffers}  # into this dictionary a buffer is written that the module replaces
                z: Tensor = functional_call(self.module, together, (x.clone(),))  # a module may write to its input
        finally:
            self.context = None
            for norm, momentum in zip(self.norms, kept, strict=True):
                norm.momentum = momentum
        buffers.update({name: together[name] for name in buffers})
        check_output(z, len(x), self.traced.n_outputs)
        return z.to(self.precision.weights)

    def set_mode(self, mode: str) -> None:
        """Put all parts but those that rest into training mode, or all into evaluation mode."""
        self.module.train(mode in TRAINING)
        for name in self.traced.always_eval:
            self.module.get_submodule(name).eval()
        for name, _ in self.traced.own_dropouts:
            self.module.get_submodule(name).eval()  # its hook draws the seed's own noise instead

    def before_layer(self, number: int) -> InputHook:
        """Return the hook on the input of the weighted layer behind site ``number``."""

        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            if self.context is None:
                raise StateError(CHECKPOINTED)
            h = inputs[0] if number else self.apply_layers(inputs[0], 0, before=True)
            h = self.apply_layers(self.add_activity_penalties(h, number), number, before=False)
            if self.context.ranges is not None and number:
                self.context.ranges[self.traced.layers[number - 1]] = unit_range(h, self.traced.outputs[number - 1])
            return (h, *inputs[1:])

        return hook

    def after_layer(self, number: int) -> OutputHook:
        """Return the hook on the output of the ``number``-th weighted layer."""

        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if number < len(self.traced.layers):
                return self.apply_layers(output, number, before=True)
            if self.context and self.context.ranges is not None:
                self.context.ranges[self.traced.layers[-1]] = unit_range(output, self.traced.outputs[-1])
            return output

        return hook

    def after_module(self, number: int) -> OutputHook:
        """Return the hook on the output of another module that a layer has named."""

        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            h = self.apply_layers(output, number, before=True)
            return self.apply_layers(self.add_activity_penalties(h, number), number, before=False)

        return hook

    def own_dropout(self, number: int) -> OutputHook:
        """Return the hook on one of the module's own dropout layers: the same dropout with the seed's own noise."""
        name, _ = self.traced.own_dropouts[number]

        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if not self.context or not self.context.training:
                return output
            flat, restore = as_units(output)
            return restore(Dropout.torch(flat, *self.context.noise[name], rate=float(str(module.p))))

        return hook

    def add_activity_penalties(self, h: Tensor, number: int) -> Tensor:
        """Note the penalties on the activations of a site; the activations themselves pass."""
        if self.context and self.context.training:
            for each in self.placements.activities:
                if each.site.number == number:
                    flat = as_units(h)[0].to(self.precision.weights)
                    self.context.penalty = self.context.penalty + each.unit.torch(
                        flat, **self.context.knobs[knob_key(each)]
                    )
        return h

    def apply_layers(self, h: Tensor, number: int, *, before: bool) -> Tensor:
        """Apply the recipe's layers at a site to activations of the variant that is passing."""
        if self.context is None:
            return h
        for placed in self.placements.layers:
            if placed.site.number == number and placed.layer.before_activation == before:
                seen, restore = as_maps(h) if placed.layer.maps else as_units(h)
                h = restore(self.apply_layer(seen, placed, self.context))
        return h

    def apply_layer(self, h: Tensor, placed: PlacedLayer, context: VariantContext) -> Tensor:
        """(rows, units) or (batch, channels, height, width) -> the same, through one layer."""
        layer, knobs = placed.layer, context.knobs[knob_key(placed)]
        shape = (-1, 1, 1) if layer.maps else (-1,)
        parameters, state = (
            [context.values[name].view(shape) for name in names]
            for names in (placed.parameter_names, placed.state_names)
        )
        if context.mode == EVALUATE or (context.mode == REESTIMATE and not layer.state):
            evaluated: Tensor = layer.call_evaluate(h, parameters, state, knobs)
            return evaluated
        if context.mode == REESTIMATE:
            knobs = layer.reestimating(knobs)
        noise = context.noise.get(placed.name, [])
        out, new = layer.call_torch(h.to(self.precision.weights), noise, parameters, state, knobs)
        context.state.update({name: each.flatten() for name, each in zip(placed.state_names, new, strict=True)})
        return out

    def effective_weight(self, placed: PlacedWeight, w: Tensor, context: VariantContext) -> Tensor:
        """Apply one weight layer to a weight."""
        layer, knobs = placed.layer, context.knobs[knob_key(placed)]
        matrix = w.flatten(2) if w.ndim > 2 else w[:, :, None]
        names = placed.parameter_names, placed.state_names
        parameters, state = ([context.values[name] for name in each] for each in names)
        if not context.training:
            out: Tensor = layer.call_evaluate(matrix, parameters, state, knobs)
            return out.reshape(w.shape)
        out, new = layer.call_torch(matrix, context.noise.get(knob_key(placed), []), parameters, state, knobs)
        context.state.update(zip(placed.state_names, new, strict=True))
        return out.reshape(w.shape)


def replaces_own_dropout(layers: Sequence[PlacedLayer], site: Site) -> bool:
    """Return True where the recipe has a dropout at the site of the module's own: then only the recipe's acts."""
    return any(isinstance(each.layer, Dropout) and each.site == site for each in layers)


def knob_key(each: PlacedLayer | PlacedWeight | PlacedActivity) -> str:
    """Return the key of a placed regularizer's knobs (and, where it is no layer, of its noise)."""
    if isinstance(each, PlacedLayer):
        return each.name
    if isinstance(each, PlacedWeight):
        return f"{type(each.layer).__name__} on {each.parameter}"
    return f"{type(each.unit).__name__} at {each.site.number}"


def unit_range(h: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """(rows, ...) behind a layer whose own output has ``shape`` per row -> least and greatest value of each unit."""
    units = shape[0]
    by_unit = h.reshape(len(h), units, -1) if h[0].numel() % units == 0 else h.reshape(len(h), -1, 1)
    return by_unit.amin((0, 2)), by_unit.amax((0, 2))
