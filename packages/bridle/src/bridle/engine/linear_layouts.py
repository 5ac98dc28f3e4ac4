"""The layouts in which the linear layers of a block are stored, each with its products.

Which is fastest depends on what the recipes share and on how many units there are. Products are of arrays with one
leading axis, the flat ones. Shape suffixes: S seeds, R recipes, V = S·R variants, B rows of a batch, F units that come
in, O units that go out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["LinearLayout", "OutputsFirst", "SharedInput"]


@dataclass(frozen=True)
class LinearLayout:
    """How the weight (S, R, O, F) and the bias (S, R, O) of a linear layer are stored, and how they are applied.

    By default weights are (S, R, F, O), in which batched products are fastest on CPUs, and biases (S, R, 1, O).
    """

    seeds: int
    recipes: int

    def store_weight(self, w: Tensor) -> Tensor:
        """(S, R, O, F) -> as it is stored; a view where that is possible."""
        return w.mT

    def store_bias(self, b: Tensor) -> Tensor:
        """(S, R, O) -> as it is stored; a view where that is possible."""
        return b[:, :, None]

    def view_weight(self, stored: Tensor) -> Tensor:
        """Return a view (S, R, O, F) of a stored weight."""
        return stored.mT

    def view_bias(self, stored: Tensor) -> Tensor:
        """Return a view (S, R, O) of a stored bias."""
        return stored.squeeze(2)

    def flat_parameter(self, stored: Tensor) -> Tensor:
        """Return a view of a stored weight or bias with one leading axis: (V, F, O) or (V, 1, O)."""
        return stored.flatten(0, 1)

    def flat_input(self, h: Tensor) -> Tensor:
        """(S, 1 or R, B, F) -> (V, B, F); what all recipes share is copied."""
        return h.expand(self.seeds, self.recipes, *h.shape[2:]).flatten(0, 1)

    def flat_output(self, out: Tensor) -> Tensor:
        """(S, R, B, O) -> (V, B, O), outputs or their gradient; a view where they lie as :meth:`multiply` left them."""
        return out.flatten(0, 1)

    def grid_output(self, flat: Tensor) -> Tensor:
        """Return a view (S, R, B, O) of flat outputs."""
        return flat.view(self.seeds, self.recipes, *flat.shape[1:])

    def multiply(self, h: Tensor, w: Tensor, b: Tensor) -> Tensor:
        """Return the outputs of inputs, all flat."""
        return torch.baddbmm(b, h, w)

    def weight_gradient(self, g: Tensor, h: Tensor, out: Tensor | None = None) -> Tensor:
        """Return the gradient of the weight from that of the outputs, all flat."""
        return torch.bmm(h.mT, g, out=out)

    def bias_gradient(self, g: Tensor, out: Tensor | None = None) -> Tensor:
        """Return the gradient of the bias from that of the outputs, both flat."""
        return torch.sum(g, 1, keepdim=True, out=out)

    def input_gradient(self, g: Tensor, w: Tensor) -> Tensor:
        """Return the gradient of the flat inputs from that of the outputs."""
        return torch.bmm(g, w.mT)

    def apply(self, h: Tensor, w: Tensor, b: Tensor) -> Tensor:
        """Apply a stored weight and bias to inputs: -> (S, R, B, O)."""
        flat = self.multiply(self.flat_input(h), self.flat_parameter(w), self.flat_parameter(b))
        return self.grid_output(flat)


@dataclass(frozen=True)
class SharedInput(LinearLayout):
    """Weights as (S, F, R·O), biases as (S, 1, R·O): one product per seed serves all recipes, which share the input."""

    def store_weight(self, w: Tensor) -> Tensor:
        """(S, R, O, F) -> (S, F, R·O)."""
        return w.permute(0, 3, 1, 2).flatten(2)

    def store_bias(self, b: Tensor) -> Tensor:
        """(S, R, O) -> (S, 1, R·O)."""
        return b.flatten(1)[:, None]

    def view_weight(self, stored: Tensor) -> Tensor:
        """(S, F, R·O) -> (S, R, O, F)."""
        return stored.view(*stored.shape[:2], self.recipes, -1).permute(0, 2, 3, 1)

    def view_bias(self, stored: Tensor) -> Tensor:
        """(S, 1, R·O) -> (S, R, O)."""
        return stored.view(self.seeds, self.recipes, -1)

    def flat_parameter(self, stored: Tensor) -> Tensor:
        """Return a stored weight or bias, which is flat."""
        return stored

    def flat_input(self, h: Tensor) -> Tensor:
        """(S, B, F), which is flat."""
        return h

    def flat_output(self, out: Tensor) -> Tensor:
        """(S, R, B, O) -> (S, B, R·O)."""
        return out.transpose(1, 2).flatten(2)

    def grid_output(self, flat: Tensor) -> Tensor:
        """(S, B, R·O) -> (S, R, B, O)."""
        return flat.view(*flat.shape[:2], self.recipes, -1).transpose(1, 2)


@dataclass(frozen=True)
class OutputsFirst(LinearLayout):
    """Weights as (S, R, O, F), biases as (S, R, O, 1): products of few outputs take far less time in it."""

    def store_weight(self, w: Tensor) -> Tensor:
        """(S, R, O, F), as they are."""
        return w

    def store_bias(self, b: Tensor) -> Tensor:
        """(S, R, O) -> (S, R, O, 1)."""
        return b[..., None]

    def view_weight(self, stored: Tensor) -> Tensor:
        """(S, R, O, F), as they are."""
        return stored

    def view_bias(self, stored: Tensor) -> Tensor:
        """(S, R, O, 1) -> (S, R, O)."""
        return stored.squeeze(3)

    def flat_output(self, out: Tensor) -> Tensor:
        """(S, R, B, O) -> (V, O, B)."""
        return out.mT.flatten(0, 1)

    def grid_output(self, flat: Tensor) -> Tensor:
        """(V, O, B) -> (S, R, B, O): outputs lie together by unit, as a softmax over few of them wants them."""
        return super().grid_output(flat).mT

    def multiply(self, h: Tensor, w: Tensor, b: Tensor) -> Tensor:
        """(V, B, F), (V, O, F), (V, O, 1) -> (V, O, B): the transposed product."""
        return torch.baddbmm(b, w, h.mT)

    def weight_gradient(self, g: Tensor, h: Tensor, out: Tensor | None = None) -> Tensor:
        """(V, O, B), (V, B, F) -> (V, O, F)."""
        return torch.bmm(g, h, out=out)

    def bias_gradient(self, g: Tensor, out: Tensor | None = None) -> Tensor:
        """(V, O, B) -> (V, O, 1)."""
        return torch.sum(g, 2, keepdim=True, out=out)

    def input_gradient(self, g: Tensor, w: Tensor) -> Tensor:
        """(V, O, B), (V, O, F) -> (V, B, F)."""
        return torch.bmm(g.mT, w)
