"""Penalties on activations of which the first pass keeps no graph: they are charged when a part is run again.

Reentrant checkpointing runs a segment without a graph, and once more, with one, when ``backward()`` reaches it. By then
``backward()`` has been through the loss, and knows how much a penalty counts there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bridle.errors import StateError
from bridle.places.rerun import is_checkpointed


@dataclass
class Ticket:
    """One penalty of one pass."""

    noted: bool  # whether the pass's penalties count
    has_graph: bool  # whether it had one in the first run
    slope: Tensor | None = None  # how much the loss grows by the penalty

    def issue(self, cost: Tensor) -> Tensor:
        """The penalty for the loss, in the first run."""
        if self.has_graph or not is_checkpointed():
            return cost
        with torch.enable_grad():
            anchor = torch.zeros((), device=cost.device, requires_grad=True)
            issued: Tensor = Issued.apply(anchor, cost, self)  # type: ignore[no-untyped-call]
        return issued

    def charge(self, h: Tensor, cost: Tensor) -> Tensor:
        """The activations, in a later run; their gradient has the penalty's, if it had no graph in the first."""
        if self.has_graph or not torch.is_grad_enabled():
            return h
        if self.slope is None:
            raise StateError(
                "backward() reaches activations before their penalty, which reentrant checkpointing must know: add "
                "handle.penalty() to the loss, and call backward() once; or take use_reentrant=False"
            )
        charged: Tensor = Charged.apply(h, cost, self.slope)  # type: ignore[no-untyped-call]
        return charged


class Issued(torch.autograd.Function):
    """A penalty without a graph, which notes how much it counts."""

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, cost: Tensor, ticket: Ticket) -> Tensor:
        """The penalty; the anchor lets it have a gradient."""
        ctx.ticket = ticket
        return cost.clone()

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[None, None, None]:
        """Note the gradient."""
        ctx.ticket.slope = slope
        return None, None, None


class Charged(torch.autograd.Function):
    """Activations as they are; their gradient has that of a penalty, too."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, cost: Tensor, slope: Tensor) -> Tensor:
        """The activations."""
        ctx.slope = slope
        return h.view_as(h)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """The gradient that comes, and the penalty's."""
        return gradient, ctx.slope, None
