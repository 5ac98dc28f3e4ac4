"""The base of regularizers inside the network: one call for each form, whatever the class declares."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from bridle.knobs import knobs
from bridle.places.base import Placed

__all__ = ["ForwardRegularizer"]

Backward = Callable[[np.ndarray], tuple[np.ndarray, ...]]  # the gradient of the output -> those of all inputs


@dataclass(frozen=True, repr=False)
class ForwardRegularizer(Placed, ABC):
    """Acts in the forward pass: on activations or on a layer's weight.

    The calls take the state as one array for each of its fields and return it so; without state it is empty.
    """

    evaluate: ClassVar[Callable[..., Any]]

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
