"""A module with a recipe's layers hung into it by hooks, run with parameters, noise and state given from outside."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bridle.acting import Site
from bridle.engine.block import EVALUATE, MEASURE, TRAIN, TRAINING
from bridle.engine.placements import PlacedActivity, PlacedLayer, PlacedWeight
from bridle.engine.precision import Precision
from bridle.engine.tracing import Outline, check_output
from bridle.engine.user_modules import cast
from bridle.places.module import as_maps, as_units
from bridle.regularizers import Dropout

Values = dict[str, Tensor]
RUN_AGAIN = (
    "parts of the network run again in the backward pass, when the weights of the run are not in it; switch its "
    "activation checkpointing off"
)


@dataclass(frozen=True)
class Hung:
    """What the recipes hang into a module."""

    layers: Sequence[PlacedLayer]
    weights: Sequence[PlacedWeight]
    activities: Sequence[PlacedActivity]


@dataclass
class Passing:
    """What the hooks need of one variant while its forward pass runs."""

    mode: str
    values: Values
    knobs: dict[str, dict[str, Any]]  # by what is hung; see key()
    noise: dict[str, list[Tensor]]
    state: Values = field(default_factory=dict)
    penalty: Tensor | float = 0.0
    ranges: dict[str, tuple[Tensor, Tensor]] | None = None

    @property
    def training(self) -> bool:
        """Whether noise is drawn."""
        return self.mode in TRAINING


class HookedModule:
    """The module of all variants, which holds no variant's values.

    The recipe's layers act on the weighted layers (linear and convolutional) in the order in which these run: those
    that come before the activation on the k-th one's output, the others on the next one's input. Where a layer names
    another module, it acts on that one's output.
    """

    def __init__(self, outline: Outline, hung: Hung, precision: Precision) -> None:
        self.outline, self.hung, self.precision = outline, hung, precision
        self.module = cast(copy.deepcopy(outline.module).to(precision.device), precision.weights)
        self.passing: Passing | None = None
        modules = dict(self.module.named_modules())
        sites = outline.sites
        for number, name in enumerate(outline.layers):
            modules[name].register_forward_pre_hook(self.before_layer(number))
            modules[name].register_forward_hook(self.behind_layer(number + 1))
        points = {name: site for site, (name, _) in zip(sites[len(outline.layers) :], outline.points, strict=True)}
        for number, (name, _) in enumerate(outline.own_dropouts):
            if not retuned(hung.layers, points[name]):
                modules[name].register_forward_hook(self.own_dropout(number))
        wanted = {*(each.site for each in hung.layers), *(each.site for each in hung.activities)}
        for name, site in points.items():
            if site in wanted:
                modules[name].register_forward_hook(self.behind_point(site.number))
        self.set_mode(TRAIN)
        norms = [each for each in modules.values() if isinstance(each, nn.modules.batchnorm._BatchNorm)]
        self.norms = [norm for norm in norms if norm.training]

    def __call__(self, passing: Passing, buffers: Values, x: Tensor) -> Tensor:
        """The module's own forward pass, with the hooks acting for one variant."""
        self.set_mode(passing.mode)
        kept = [norm.momentum for norm in self.norms]
        if passing.mode == MEASURE:
            for norm in self.norms:
                norm.train()
                norm.momentum = 1.0  # what is remembered is then this batch alone
        own = {name: passing.values[name] for name, _ in self.module.named_parameters()}
        self.passing = passing
        for placed in self.hung.weights:
            own[placed.parameter] = self.acting_weight(placed, own[placed.parameter], passing)
        product = self.precision.product(training=passing.training)
        try:
            with torch.autocast(x.device.type, product, enabled=product == torch.bfloat16):
                together = {**own, **buffers}  # into this dictionary a buffer is written that the module replaces
                z: Tensor = functional_call(self.module, together, (x.clone(),))  # a module may write to its input
        finally:
            self.passing = None
            for norm, momentum in zip(self.norms, kept, strict=True):
                norm.momentum = momentum
        buffers.update({name: together[name] for name in buffers})
        check_output(z, len(x), self.outline.n_outputs)
        return z.to(self.precision.weights)

    def set_mode(self, mode: str) -> None:
        """Training mode for all parts but those that rest, or evaluation mode."""
        self.module.train(mode in TRAINING)
        for name in self.outline.resting:
            self.module.get_submodule(name).eval()
        for name, _ in self.outline.own_dropouts:
            self.module.get_submodule(name).eval()  # its hook draws the seed's own noise instead

    def before_layer(self, number: int) -> Callable[..., Any]:
        """The hook on the input of the weighted layer behind site ``number``."""

        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            if self.passing is None:
                raise RuntimeError(RUN_AGAIN)
            h = inputs[0] if number else self.through(inputs[0], 0, before=True)
            h = self.through(self.tap(h, number), number, before=False)
            if self.passing.ranges is not None and number:
                self.passing.ranges[self.outline.layers[number - 1]] = unit_range(h, self.outline.outputs[number - 1])
            return (h, *inputs[1:])

        return hook

    def behind_layer(self, number: int) -> Callable[..., Any]:
        """The hook on the output of the ``number``-th weighted layer."""

        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if number < len(self.outline.layers):
                return self.through(output, number, before=True)
            if self.passing and self.passing.ranges is not None:
                self.passing.ranges[self.outline.layers[-1]] = unit_range(output, self.outline.outputs[-1])
            return output

        return hook

    def behind_point(self, number: int) -> Callable[..., Any]:
        """The hook on the output of another module that a layer has named."""

        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            h = self.through(output, number, before=True)
            return self.through(self.tap(h, number), number, before=False)

        return hook

    def own_dropout(self, number: int) -> Callable[..., Any]:
        """The hook on one of the module's own dropout layers: the same dropout with the seed's own noise."""
        name, _ = self.outline.own_dropouts[number]

        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if not self.passing or not self.passing.training:
                return output
            flat, restore = as_units(output)
            return restore(Dropout.torch(flat, *self.passing.noise[name], rate=float(str(module.p)))[0])

        return hook

    def tap(self, h: Tensor, number: int) -> Tensor:
        """Note the penalties on the activations of a site; the activations themselves pass."""
        if self.passing and self.passing.training:
            for each in self.hung.activities:
                if each.site.number == number:
                    flat = as_units(h)[0].to(self.precision.weights)
                    self.passing.penalty = self.passing.penalty + each.unit.torch(flat, **self.passing.knobs[key(each)])
        return h

    def through(self, h: Tensor, number: int, *, before: bool) -> Tensor:
        """Activations through the recipe's layers at a site, for the variant that is passing."""
        if self.passing is None:
            return h
        for placed in self.hung.layers:
            if placed.site.number == number and placed.layer.before_activation == before:
                seen, restore = as_maps(h) if placed.layer.maps else as_units(h)
                h = restore(self.through_layer(seen, placed, self.passing))
        return h

    def through_layer(self, h: Tensor, placed: PlacedLayer, passing: Passing) -> Tensor:
        """(rows, units) or (batch, channels, height, width) -> the same, through one layer."""
        layer, knobs = placed.layer, passing.knobs[key(placed)]
        names = [f"{placed.name}.{each}" for each in (*layer.parameters, *layer.state)]
        shape = (-1, 1, 1) if layer.maps else (-1,)
        inputs = [passing.values[name].view(shape) for name in names]
        if passing.mode == EVALUATE or (passing.mode == MEASURE and not layer.state):
            evaluated: Tensor = layer.evaluate(h, *inputs, **knobs)
            return evaluated
        if passing.mode == MEASURE:
            knobs = {name: torch.ones_like(each) if name == "momentum" else each for name, each in knobs.items()}
        noise = passing.noise.get(placed.name, [])
        out, *state = type(layer).torch(h.to(self.precision.weights), *noise, *inputs, **knobs)
        passing.state.update(
            {f"{placed.name}.{kind}": new.flatten() for kind, new in zip(layer.state, state, strict=True)}
        )
        return out

    def acting_weight(self, placed: PlacedWeight, w: Tensor, passing: Passing) -> Tensor:
        """A weight as its layer uses it."""
        layer, knobs = placed.layer, passing.knobs[key(placed)]
        matrix = w.flatten(2) if w.ndim > 2 else w[:, :, None]
        inputs = [passing.values[placed.named(kind)] for kind in (*layer.parameters, *layer.state)]
        if not passing.training:
            out: Tensor = layer.evaluate(matrix, *inputs, **knobs)
            return out.reshape(w.shape)
        out, *state = type(layer).torch(matrix, *passing.noise.get(key(placed), []), *inputs, **knobs)
        passing.state.update({placed.named(kind): new for kind, new in zip(layer.state, state, strict=True)})
        return out.reshape(w.shape)


def retuned(layers: Sequence[PlacedLayer], site: Site) -> bool:
    """Whether the recipe has a dropout of its own where the module has one: then that one acts instead."""
    return any(isinstance(each.layer, Dropout) and each.site == site for each in layers)


def key(each: PlacedLayer | PlacedWeight | PlacedActivity) -> str:
    """What the knobs (and, where it is no layer, the noise) of something hung into a module are kept under."""
    if isinstance(each, PlacedLayer):
        return each.name
    if isinstance(each, PlacedWeight):
        return each.named("")
    return f"{type(each.unit).__name__} at {each.site.number}"


def unit_range(h: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """(rows, ...) behind a layer whose own output has ``shape`` per row -> least and greatest value of each unit."""
    units = shape[0]
    by_unit = h.reshape(len(h), units, -1) if h[0].numel() % units == 0 else h.reshape(len(h), -1, 1)
    return by_unit.amin((0, 2)), by_unit.amax((0, 2))
