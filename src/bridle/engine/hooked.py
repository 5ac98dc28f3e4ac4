"""A module with a recipe's layers hung into it by hooks, run with parameters, noise and state given from outside."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bridle.engine.outline import Outline
from bridle.engine.precision import Precision
from bridle.engine.sites import PlacedLayer
from bridle.regularizers import Dropout

Values = dict[str, Tensor]


@dataclass
class Passing:
    """What the hooks need of one variant while its forward pass runs."""

    values: Values
    numbers: dict[str, dict[str, Tensor]]
    noise: Values
    training: bool
    state: Values = field(default_factory=dict)
    ranges: dict[str, tuple[Tensor, Tensor]] | None = None


class HookedModule:
    """The module of all variants, which holds no variant's values.

    The recipe's layers act on the weighted layers (linear and convolutional) in the order in which these run: those
    that come before the activation on the k-th one's output, the others on the next one's input.
    """

    def __init__(self, outline: Outline, layers: Sequence[PlacedLayer], precision: Precision) -> None:
        self.outline, self.layers, self.precision = outline, layers, precision
        self.module = copy.deepcopy(outline.module).to(precision.device, precision.weights)
        self.passing: Passing | None = None
        modules = dict(self.module.named_modules())
        for site, name in enumerate(outline.layers):
            modules[name].register_forward_pre_hook(self.before_layer(site))
            modules[name].register_forward_hook(self.behind_layer(site + 1))
        for number, (name, _) in enumerate(outline.own_dropouts):
            modules[name].register_forward_hook(self.own_dropout(number))

    def __call__(self, passing: Passing, buffers: Values, x: Tensor) -> Tensor:
        """The module's own forward pass, with the hooks acting for one variant."""
        self.module.train(passing.training)
        for name, _ in self.outline.own_dropouts:
            self.module.get_submodule(name).eval()  # its hook draws the seed's own noise instead
        own = {name: passing.values[name] for name, _ in self.module.named_parameters()}
        low = self.precision.matmul
        self.passing = passing
        with torch.autocast(x.device.type, low, enabled=low == torch.bfloat16):
            z: Tensor = functional_call(self.module, (own, buffers), (x,))
        self.passing = None
        return z.to(self.precision.weights)

    def before_layer(self, site: int) -> Callable[..., Any]:
        """The hook on the input of the weighted layer behind ``site``."""

        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            h = self.through(inputs[0], site, before=False)
            if self.passing and self.passing.ranges is not None and site:
                self.passing.ranges[self.outline.layers[site - 1]] = unit_range(h, self.outline.outputs[site - 1])
            return (h, *inputs[1:])

        return hook

    def behind_layer(self, site: int) -> Callable[..., Any]:
        """The hook on the output of the ``site``-th weighted layer."""

        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if site < len(self.outline.layers):
                return self.through(output, site, before=True)
            if self.passing and self.passing.ranges is not None:
                self.passing.ranges[self.outline.layers[-1]] = unit_range(output, self.outline.outputs[-1])
            return output

        return hook

    def own_dropout(self, number: int) -> Callable[..., Any]:
        """The hook on one of the module's own dropout layers: the same dropout with the seed's own noise."""
        name, _ = self.outline.own_dropouts[number]

        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if not self.passing or not self.passing.training:
                return output
            flat, restore = flattened(output)
            return restore(Dropout.torch(flat, self.passing.noise[name], rate=float(str(module.p)))[0])

        return hook

    def through(self, h: Tensor, site: int, *, before: bool) -> Tensor:
        """Activations through the recipe's layers at a site, for the variant that is passing."""
        if self.passing is None:
            return h
        for placed in self.layers:
            if placed.site == site and placed.layer.before_activation == before:
                flat, restore = flattened(h)
                h = restore(self.through_layer(flat, placed, self.passing))
        return h

    def through_layer(self, h: Tensor, placed: PlacedLayer, passing: Passing) -> Tensor:
        """(rows, units) -> the same, through one layer."""
        layer, knobs = placed.layer, passing.numbers[placed.name]
        values = [passing.values[f"{placed.name}.{each}"] for each in (*layer.parameters, *layer.state)]
        if not passing.training:
            out: Tensor = layer.evaluate(h, *values, **knobs)
            return out
        noise = [passing.noise[placed.name]] if layer.draws_noise else []
        out, *state = type(layer).torch(h.to(self.precision.weights), *noise, *values, **knobs)
        passing.state.update({f"{placed.name}.{kind}": new for kind, new in zip(layer.state, state, strict=True)})
        return out


def flattened(h: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """(batch, channels, ...) -> (batch and positions, channels), and the way back; (batch, units) stays."""
    if h.ndim == 2:
        return h, lambda flat: flat
    last = h.movedim(1, -1)
    return last.reshape(-1, last.shape[-1]), lambda flat: flat.view(last.shape).movedim(-1, 1)


def unit_range(h: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """(rows, ...) behind a layer whose own output has ``shape`` per row -> least and greatest value of each unit."""
    units = shape[0]
    by_unit = h.reshape(len(h), units, -1) if h[0].numel() % units == 0 else h.reshape(len(h), -1, 1)
    return by_unit.amin((0, 2)), by_unit.amax((0, 2))
