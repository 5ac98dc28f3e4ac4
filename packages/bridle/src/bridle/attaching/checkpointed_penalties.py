"""Activity penalties under reentrant checkpointing, where the first forward pass builds no graph.

Reentrant checkpointing runs a segment without a graph, and once more, with one, when ``backward()`` reaches it. By then
``backward()`` has been through the loss, and knows how much a penalty counts there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bridle.errors import StateError
from bridle.places.activation_checkpointing import is_checkpointed

__all__ = ["DeferredPenalty"]


@dataclass
class DeferredPenalty:
    """One penalty of one forward pass, whose gradient may be added in the recomputation."""

    recorded: bool  # whether the pass's penalties count
    has_graph: bool  # whether it had one in the first run
    gradient: Tensor | None = None  # how much the loss grows by the penalty

    def for_loss(self, cost: Tensor) -> Tensor:
        """Return the penalty to be added to the loss, in the first run."""
        if self.has_graph or not is_checkpointed():
            return cost
        with torch.enable_grad():
            anchor = torch.zeros((), device=cost.device, requires_grad=True)
            penalty: Tensor = RecordPenaltyGradient.apply(anchor, cost, self)  # type: ignore[no-untyped-call]
        return penalty

    def charge_to(self, h: Tensor, cost: Tensor) -> Tensor:
        """Return the activations of a recomputation; without a graph in the first run, with the penalty's gradient."""
        if self.has_graph or not torch.is_grad_enabled():
            return h
        if self.gradient is None:
            raise StateError(
                "backward() reaches activations before their penalty, which reentrant checkpointing must know: add "
                "handle.penalty() to the loss, and call backward() once; or take use_reentrant=False"
            )
        activations: Tensor = AddPenaltyGradient.apply(h, cost, self.gradient)  # type: ignore[no-untyped-call]
        return activations


class RecordPenaltyGradient(torch.autograd.Function):
    """The identity on a penalty without a graph, which records the gradient of the loss with respect to it."""

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, cost: Tensor, penalty: DeferredPenalty) -> Tensor:
        """Return the penalty; the anchor makes it require a gradient."""
        ctx.penalty = penalty
        return cost.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, None]:
        """Record the gradient."""
        ctx.penalty.gradient = gradient
        return None, None, None


class AddPenaltyGradient(torch.autograd.Function):
    """The identity on activations, which adds a penalty's gradient in the backward pass."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, cost: Tensor, gradient: Tensor) -> Tensor:
        """Return the activations."""
        ctx.gradient = gradient
        return h.view_as(h)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the incoming gradient and the penalty's."""
        return gradient, ctx.gradient, None
