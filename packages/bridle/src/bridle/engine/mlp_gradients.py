"""The gradients of perceptrons by hand: what autograd finds in a :class:`ForwardPass`, with less around the products.

What a step needs is laid out once, views and arrays that it writes into, and each step only computes. Autograd is left
to the regularizers, a small graph for each: they are differentiated as their formulas stand.

Shape suffixes: S seeds, R recipes, V = S·R variants, B rows of a batch, F units of a layer, C outputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bridle.engine.block import ForwardContext
from bridle.engine.forward_regularizers import PlacedActivity, PlacedLayer
from bridle.engine.mlp_forward import FUNCTIONS, ForwardPass
from bridle.engine.value_names import ValueName, Values

if TYPE_CHECKING:
    from bridle.engine.mlp_block import MLPBlock

__all__ = ["GradientsByHand"]

aten = torch.ops.aten
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # Klambauer et al., 2017
# The gradient of an activation function's input, from that of its output and the output itself.
ACTIVATION_GRADIENTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "relu": lambda g, out: aten.threshold_backward(g, out, 0),
    "tanh": aten.tanh_backward,
    "sigmoid": aten.sigmoid_backward,
    "selu": lambda g, out: aten.elu_backward(g, SELU_ALPHA, SELU_SCALE, 1.0, True, out),
}


class Stage(ABC):
    """One part of the way through the network: forward, then backward, once each in a step."""

    learns = False  # whether gradients must reach this stage or one before it

    @abstractmethod
    def forward(self, h: Tensor, forward: ForwardPass) -> Tensor:
        """Return the output."""

    @abstractmethod
    def backward(self, g: Tensor, found: Values) -> Tensor:
        """Return the gradient of the input from that of the output; put those of parameters into ``found``."""


class LinearStage(Stage):
    """A linear layer."""

    learns = True

    def __init__(self, block: MLPBlock, layer: str, *, with_input: bool) -> None:
        self.block, self.layout, self.with_input = block, block.layouts[layer], with_input
        self.weight, self.bias = ValueName(f"{layer}.weight"), ValueName(f"{layer}.bias")
        self.placed = [each for each in block.weights if each.parameter == self.weight]
        self.low = block.precision.matmul != block.precision.weights
        w, b = block.parameters[self.weight].detach(), block.parameters[self.bias].detach()
        self.g_w, self.g_b = torch.empty_like(w), torch.empty_like(b)
        self.flat_w, self.flat_b, self.flat_g_w, self.flat_g_b = map(
            self.layout.flat_parameter, (w, b, self.g_w, self.g_b)
        )

    def forward(self, h: Tensor, forward: ForwardPass) -> Tensor:
        """(S, 1 or R, B, F), or (S, B, F) -> (S, R, B, units)."""
        layout = self.layout
        self.given, self.shared = h.dtype, h.ndim == 4 and h.shape[1] < layout.recipes
        if self.placed:
            with torch.enable_grad():
                self.acting = forward.acting_weight(self.weight)
        w, b = layout.flat_parameter(self.acting.detach()) if self.placed else self.flat_w, self.flat_b
        if self.low:
            h, w, b = (each.to(forward.dtype) for each in (h, w, b))
        self.h, self.w = layout.flat_input(h), w
        return layout.grid_output(layout.multiply(self.h, w, b))

    def backward(self, g: Tensor, found: Values) -> Tensor:
        """(S, R, B, units) -> the shape of the input."""
        layout, flat = self.layout, self.layout.flat_output(g.to(self.h.dtype) if self.low else g)
        if self.low or self.placed:
            self.flat_g_w.copy_(layout.weight_gradient(flat, self.h))
            self.flat_g_b.copy_(layout.bias_gradient(flat))
        else:
            layout.weight_gradient(flat, self.h, out=self.flat_g_w)
            layout.bias_gradient(flat, out=self.flat_g_b)
        found[self.weight], found[self.bias] = self.g_w, self.g_b
        if self.placed:
            self.through_weight_layers(found)
        if not self.with_input:
            return g
        g_h = layout.input_gradient(flat, self.w).view(*g.shape[:3], -1)
        g_h = g_h.to(self.given) if self.low else g_h
        return g_h.sum(1, keepdim=True) if self.shared else g_h

    def through_weight_layers(self, found: Values) -> None:
        """Turn the gradient of the weight as it acts into that of the parameters that make it."""
        names = [self.weight, *(name for each in self.placed for name in each.parameter_names)]
        own = [self.block.parameters[name] for name in names]
        slopes = torch.autograd.grad(self.acting, own, self.g_w, materialize_grads=True)
        found |= {name: each.contiguous() for name, each in zip(names, slopes, strict=True)}


class ActivationStage(Stage):
    """The activation function behind a linear layer."""

    learns = True

    def __init__(self, name: str) -> None:
        self.function, self.gradient = FUNCTIONS[name], ACTIVATION_GRADIENTS[name]

    def forward(self, h: Tensor, forward: ForwardPass) -> Tensor:
        """Any shape -> the same."""
        del forward
        self.out = self.function(h)
        return self.out

    def backward(self, g: Tensor, found: Values) -> Tensor:
        """Any shape -> the same."""
        del found
        return self.gradient(g, self.out)


class LayerStage(Stage):
    """A layer of the recipes."""

    def __init__(self, block: MLPBlock, placed: PlacedLayer, *, learned_before: bool) -> None:
        self.block, self.placed = block, placed
        self.learns = learned_before or bool(placed.parameter_names)

    def forward(self, h: Tensor, forward: ForwardPass) -> Tensor:
        """(S, 1 or R, B, F) -> (S, R, B, F)."""
        if not self.learns:
            return forward.placed_layer(self.placed, h)
        wide, layer = forward.in_weight_precision(h), self.placed.layer
        wide = wide[..., None, None] if layer.maps else wide
        parameters, state = forward.learned_and_kept(self.placed)
        knobs = self.placed.knobs.at(self.block.passed)
        out, new, self.back = layer.call_with_gradient(wide, forward.noise(self.placed, wide), parameters, state, knobs)
        forward.keep(self.placed, new)
        return out.flatten(3) if layer.maps else out

    def backward(self, g: Tensor, found: Values) -> Tensor:
        """(S, R, B, F) -> the shape of the input."""
        maps = self.placed.layer.maps
        g_h, *own = self.back(g[..., None, None] if maps else g)
        for name, each in zip(self.placed.parameter_names, own, strict=True):
            found[name] = each.reshape(self.block.parameters[name].shape).contiguous()
        return g_h.flatten(3) if maps else g_h


class PenaltyStage(Stage):
    """A penalty on activations, differentiated by autograd."""

    learns = True

    def __init__(self, placed: PlacedActivity) -> None:
        self.placed = placed

    def forward(self, h: Tensor, forward: ForwardPass) -> Tensor:
        """Any shape -> the same activations."""
        subject = h.detach().requires_grad_()
        with torch.enable_grad():
            penalty = forward.activity_penalty(self.placed, subject)
            (self.slope,) = torch.autograd.grad(penalty.sum(), subject)
        forward.add_penalty(penalty.detach())
        return h

    def backward(self, g: Tensor, found: Values) -> Tensor:
        """The gradient of what comes behind, and the penalty's."""
        del found
        return g + self.slope


class GradientsByHand:
    """The steps of one block: a pass forward, then the gradients of its parameters."""

    def __init__(self, block: MLPBlock) -> None:
        self.block = block
        self.stages: list[Stage] = []
        for site in block.sites:
            if site.number:
                self.add_linear(site.number)
            self.add_layers(site.number, before=True)
            if site.number:
                self.stages.append(ActivationStage(block.network.activation))
            self.stages += [PenaltyStage(each) for each in block.activities if each.site == site]
            self.add_layers(site.number, before=False)
        self.add_linear(len(block.layer_names))

    @property
    def learns(self) -> bool:
        """True where gradients must reach what there is so far."""
        return any(stage.learns for stage in self.stages)

    def add_linear(self, number: int) -> None:
        """Add the ``number``-th linear layer."""
        self.stages.append(LinearStage(self.block, self.block.layer_names[number - 1], with_input=self.learns))

    def add_layers(self, site: int, *, before: bool) -> None:
        """Add the layers at a site, before its activation or after."""
        for placed in self.block.placed:
            if placed.site.number == site and placed.layer.before_activation == before:
                self.stages.append(LayerStage(self.block, placed, learned_before=self.learns))

    def forward(self, rows: Tensor, context: ForwardContext) -> tuple[Tensor, ForwardPass]:
        """(S, 1 or R, B, F) -> the outputs (S, R, B, C), and the pass that they come from."""
        forward = ForwardPass(self.block, context)
        h = rows[:, 0] if self.block.shared_input else rows
        for stage in self.stages:
            h = stage.forward(h, forward)
        return h, forward

    def backward(self, g: Tensor) -> Values:
        """Return the gradients of all parameters, laid out as these are, from that of the outputs.

        They are good until the next call.
        """
        found: Values = {}
        for stage in reversed(self.stages):
            if not stage.learns:
                break
            g = stage.backward(g, found)
        # A parameter that the loss does not depend on has a gradient of zero: penalties may still act on it.
        return {
            name: found[name] if name in found else torch.zeros_like(parameter)
            for name, parameter in self.block.parameters.items()
        }
