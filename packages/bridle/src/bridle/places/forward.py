"""The base of regularizers inside the network: one call for each form, whatever the class declares."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knobs
from bridle.places.base import Placed

__all__ = ["ForwardRegularizer"]

TorchBackward = Callable[[Tensor], tuple[Tensor, ...]]
Backward = Callable[[np.ndarray], tuple[np.ndarray, ...]]  # the gradient of the output -> those of all inputs


@dataclass(frozen=True, repr=False)
class ForwardRegularizer(Placed, ABC):
    """Acts in the forward pass: on activations or on a layer's weight.

    The calls take the state as one array for each of its fields and return it so; without state it is empty.
    """

    evaluate: ClassVar[Callable[..., Any]]
    torch_with_gradient: ClassVar[Callable[..., Any] | None] = None

    def call_torch(
        self,
        subject: Tensor,
        noise: Sequence[Tensor],
        parameters: Sequence[Tensor],
        state: Sequence[Tensor],
        knobs: Mapping[str, Any],
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the output of the PyTorch form in training, and the new state."""
        returned = type(self).torch(subject, *noise, *parameters, *self.pack(state), **knobs)
        return returned if self.state else (returned, ())

    def call_with_gradient(
        self,
        subject: Tensor,
        noise: Sequence[Tensor],
        parameters: Sequence[Tensor],
        state: Sequence[Tensor],
        knobs: Mapping[str, Any],
    ) -> tuple[Tensor, tuple[Tensor, ...], TorchBackward]:
        """Return what :meth:`call_torch` does, without a graph, and the gradient function: by hand or by autograd."""
        form = self.torch_with_gradient
        if form is None:
            return self.call_with_autograd(subject, noise, parameters, state, knobs)
        out, *new, backward = form(subject, *noise, *parameters, *self.pack(state), **knobs)
        return out, new[0] if new else (), backward

    def call_with_autograd(
        self,
        subject: Tensor,
        noise: Sequence[Tensor],
        parameters: Sequence[Tensor],
        state: Sequence[Tensor],
        knobs: Mapping[str, Any],
    ) -> tuple[Tensor, tuple[Tensor, ...], TorchBackward]:
        """Return the same by autograd."""
        leaves = [each.detach().requires_grad_() for each in (subject, *parameters)]
        with torch.enable_grad():
            out, new = self.call_torch(leaves[0], noise, leaves[1:], state, knobs)

        def backward(g: Tensor) -> tuple[Tensor, ...]:
            return torch.autograd.grad(out, leaves, g, materialize_grads=True)

        return out.detach(), tuple(each.detach() for each in new), backward

    def call_vanilla(
        self,
        subject: np.ndarray,
        noise: Sequence[np.ndarray],
        parameters: Sequence[np.ndarray],
        state: Sequence[np.ndarray],
        knobs: Mapping[str, Any],
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...], Backward]:
        """Return the output of the NumPy form in training, the new state, and the gradient function."""
        returned = type(self).vanilla(subject, *noise, *parameters, *self.pack(state), **knobs)
        out, *new, backward = returned
        return out, new[0] if new else (), backward

    def call_evaluate(
        self, subject: Any, parameters: Sequence[Any], state: Sequence[Any], knobs: Mapping[str, Any]
    ) -> Any:
        """Return the output once training is over, of arrays or tensors."""
        return type(self).evaluate(subject, *parameters, *self.pack(state), **knobs)

    def reestimating(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the knobs with which running statistics become those of the newest batch."""
        newest = {each.name: each.newest for each in knobs(self) if each.newest is not None}
        return {**values, **newest}
