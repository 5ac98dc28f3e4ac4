"""AVERAGE: a second set of weights, made of those that training passes through."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from bridle.places.base import Placed
from bridle.places.signatures import Form

__all__ = ["Average", "Ensemble"]


@dataclass(frozen=True, repr=False)
class Average(Placed, ABC):
    """Keeps an average ``a`` of each parameter ``w`` (and of each running statistic), updated after every step.

    ``vanilla(a, w, *, step, steps, **knobs)`` and ``torch(a, w, *, step, steps, **knobs)`` return the new ``(a, w)``,
    any shape. ``step`` counts from 0, ``steps`` are those of the whole training. Before the first step ``a`` is ``w``.
    The trained network, and every score on the way, is that of the averages.
    """

    place: ClassVar[str] = "average"
    on_parameters: ClassVar[bool] = True
    forms: ClassVar[tuple[Form, ...]] = (
        Form("vanilla", "a w", results=2),
        Form("torch", "a w", results=2),
    )
    step_inputs: ClassVar[tuple[Literal["step", "steps"], ...]] = ("step", "steps")
    moves_weights: ClassVar[bool] = False  # whether it returns another w than it was given
    reestimates: ClassVar[bool] = False  # whether the running statistics are measured anew for the averaged weights
    torch: ClassVar[Callable[..., tuple[Tensor, Tensor]]]


@dataclass(frozen=True, repr=False)
class Ensemble(Placed, ABC):
    """Keeps several copies of the network along the way, whose outputs together are the prediction.

    ``vanilla(z)`` and ``torch(z)`` turn the copies' outputs (copies, ..., rows, outputs) into one (..., rows, outputs):
    logits where there are classes. Here knobs say when, not how much: they are not passed to the formula, and recipes
    in which they differ train in different blocks.
    """

    place: ClassVar[str] = "average"
    on_parameters: ClassVar[bool] = True
    several_networks: ClassVar[bool] = True
    forms: ClassVar[tuple[Form, ...]] = (
        Form("vanilla", "z", results=1, knobs=False),
        Form("torch", "z", results=1, knobs=False),
    )
    torch: ClassVar[Callable[..., Tensor]]

    @abstractmethod
    def takes(self, step: int, steps: int) -> bool:
        """Return True where a copy is taken after this step (from 0)."""

    @abstractmethod
    def warped(self, step: int, steps: int) -> tuple[int, int]:
        """Return the step and the number of steps for the learning-rate schedule, which an ensemble may start anew."""
