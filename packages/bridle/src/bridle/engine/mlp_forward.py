"""A pass of rows through a block's perceptrons, in whichever mode.

Shape suffixes: S seeds, R recipes, V = S·R variants, B rows of a batch, F units of a layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bridle.engine.block import EVALUATE, REESTIMATE, TRAINING, ForwardContext
from bridle.engine.forward_regularizers import PlacedActivity, PlacedLayer
from bridle.engine.value_names import ValueName
from bridle.sites import Site

if TYPE_CHECKING:
    from bridle.engine.mlp_block import MLPBlock

__all__ = ["FUNCTIONS", "ForwardPass"]

FUNCTIONS = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "selu": torch.selu}


class ForwardPass:
    """One pass through all variants of a block, whose gradients are autograd's.

    ``values`` are the block's parameters and state; state that moves in this pass is replaced there. ``penalty``
    (S, R) is that on activations, None where there is none.
    """

    def __init__(self, block: MLPBlock, context: ForwardContext) -> None:
        self.block, self.context = block, context
        self.values = {**block.parameters, **block.state}
        self.penalty: Tensor | None = None
        self.dtype = block.precision.matmul_dtype(training=context.mode in TRAINING)

    def run(self, rows: Tensor) -> list[Tensor]:
        """(S, 1 or R, B, F) -> the activations of each hidden layer, and the outputs, each (S, R, B, F)."""
        h = rows[:, 0] if self.block.shared_input else rows
        seen = []
        for site in self.block.sites:
            if site.number:
                h = self.linear(h, site.number)
            h = self.layers_at(h, site, before=True)
            if site.number:
                h = FUNCTIONS[self.block.network.activation](h)
            self.add_activity_penalties(h, site)
            seen.append(h)
            h = self.layers_at(h, site, before=False)
        return [*seen[1:], self.linear(h, len(self.block.layer_names))]

    def linear(self, h: Tensor, number: int) -> Tensor:
        """Apply the ``number``-th linear layer: (S, B, F) or (S, 1 or R, B, F) -> (S, R, B, F)."""
        layer = self.block.layer_names[number - 1]
        w, b = self.acting_weight(ValueName(f"{layer}.weight")), self.values[ValueName(f"{layer}.bias")]
        return self.block.layouts[layer].apply(h.to(self.dtype), w.to(self.dtype), b.to(self.dtype))

    def acting_weight(self, name: ValueName) -> Tensor:
        """Return the weight of a linear layer as it acts, in the layout in which it is stored."""
        w = self.values[name]
        for placed in self.block.weights:
            if placed.parameter == name:
                single = self.block.grid_view(name, w)
                acting = self.block.effective_weight(placed, single, self.values, self.context)
                w = self.block.stored(name, acting)
        return w

    def layers_at(self, h: Tensor, site: Site, *, before: bool) -> Tensor:
        """Apply the layers at a site, before its activation or after."""
        for placed in self.block.placed:
            if placed.site == site and placed.layer.before_activation == before:
                h = self.placed_layer(placed, h)
        return h

    def placed_layer(self, placed: PlacedLayer, h: Tensor) -> Tensor:
        """Apply one layer to activations as they come."""
        wide = self.in_weight_precision(h)
        return self.layer(placed, wide[..., None, None]).flatten(3) if placed.layer.maps else self.layer(placed, wide)

    def in_weight_precision(self, h: Tensor) -> Tensor:
        """Return activations for a regularizer: (S, 1 or R, B, F) in the precision of the weights."""
        h = h if h.ndim == 4 else h[:, None]  # the input itself, which all recipes share
        return h.to(self.block.precision.weights)

    def layer(self, placed: PlacedLayer, h: Tensor) -> Tensor:
        """Apply one layer; what it learns and remembers broadcasts against what it acts on."""
        layer, knobs, mode = placed.layer, placed.knobs.at(self.block.passed), self.context.mode
        parameters, state = self.learned_and_kept(placed)
        if mode == EVALUATE or (mode == REESTIMATE and not layer.state):
            evaluated: Tensor = layer.call_evaluate(h, parameters, state, knobs)
            return evaluated
        if mode == REESTIMATE:  # what is remembered is then this batch alone
            knobs = layer.reestimating(knobs)
        out, new = layer.call_torch(h, self.noise(placed, h), parameters, state, knobs)
        self.keep(placed, new)
        return out

    def learned_and_kept(self, placed: PlacedLayer) -> tuple[list[Tensor], list[Tensor]]:
        """Return a layer's parameters and its state."""
        parameters, state = (
            [self.broadcast(placed, name) for name in names] for names in (placed.parameter_names, placed.state_names)
        )
        return parameters, state

    def noise(self, placed: PlacedLayer, h: Tensor) -> list[Tensor]:
        """Draw a layer's noise for what it acts on."""
        return self.context.draw(placed.layer.noise, placed.stream_id, h.shape[2:])

    def keep(self, placed: PlacedLayer, new: Iterable[Tensor]) -> None:
        """Keep the new state of a layer."""
        for name, value in zip(placed.state_names, new, strict=True):
            self.values[name] = value.view_as(self.values[name])

    def broadcast(self, placed: PlacedLayer, name: ValueName) -> Tensor:
        """Return what a layer learns or remembers, (S, R, 1, F) or for maps (S, R, 1, F, 1, 1)."""
        value = self.values[name]
        return value.view(*value.shape[:2], 1, -1, 1, 1) if placed.layer.maps else value

    def add_activity_penalties(self, h: Tensor, site: Site) -> None:
        """Note the penalties on the activations of a site."""
        for each in self.block.activities:
            if each.site == site and self.context.mode in TRAINING:
                self.add_penalty(self.activity_penalty(each, h))

    def activity_penalty(self, placed: PlacedActivity, h: Tensor) -> Tensor:
        """Return one penalty on activations, (S, R)."""
        penalty: Tensor = placed.unit.torch(self.in_weight_precision(h), **placed.knobs.at(self.block.passed))
        return penalty

    def add_penalty(self, penalty: Tensor) -> None:
        """Add to the penalty of this pass."""
        self.penalty = penalty if self.penalty is None else self.penalty + penalty
