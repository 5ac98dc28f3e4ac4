"""STOP: when training is over, and which weights are kept."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from bridle.places.declare import Placed
from bridle.places.signatures import Form


@dataclass(frozen=True, repr=False)
class Stop(Placed, ABC):
    """Ends training early; the weights of the best epoch are the ones that remain, stopped early or not.

    ``vanilla(score, *state, **knobs)`` and ``torch(...)`` return ``(improved, stop, *state)``, the first two as 0 or 1,
    for the score of an epoch: the loss on the validation rows, or whatever is better the lower it is, negative too.
    Numbers, or arrays of one number per variant. ``state`` names what is carried from epoch to epoch, with its values
    before the first.
    """

    place: ClassVar[str] = "stop"
    forms: ClassVar[tuple[Form, ...]] = (
        Form("vanilla", "score *state", results=2, keeps=True),
        Form("torch", "score *state", results=2, keeps=True),
    )
    torch: ClassVar[Callable[..., tuple[Tensor, ...]]]
