"""STOP: when training is over, and which weights are kept."""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from bridle.places.base import Placed
from bridle.places.signatures import Form

__all__ = ["Stop"]


@dataclass(frozen=True, repr=False)
class Stop(Placed, ABC):
    """Ends training early; the weights of the best epoch are the ones that remain, stopped early or not.

    ``vanilla(score, state, **knobs)`` and ``torch(...)`` return ``(improved, stop, state)``, the first two as 0 or 1,
    for the score of an epoch: the loss on the validation rows, or whatever is better the lower it is, negative too.
    Numbers, or arrays of one number per variant. ``state`` names what is carried from epoch to epoch, with its values
    before the first.
    """

    place: ClassVar[str] = "stop"
    forms: ClassVar[tuple[Form, ...]] = (
        Form("vanilla", "score *state", results=2, keeps=True),
        Form("torch", "score *state", results=2, keeps=True),
    )
    torch: ClassVar[Callable[..., tuple[Tensor, Tensor, Any]]]

    @property
    def watches_metric(self) -> bool:
        """Return True where the score is the main metric of the validation rows, negated; False: their loss."""
        return False

    def judge(
        self, score: float, state: Sequence[float], knobs: Mapping[str, Any]
    ) -> tuple[bool, bool, tuple[float, ...]]:
        """Return whether an epoch improved, whether training stops, and the new state, for one run.

        A score below all numbers is none: as the best so far it would leave nothing for a later epoch to improve on.
        """
        known = math.nan if score == -math.inf else score
        improved, stop, *new = type(self).vanilla(known, *self.pack(state), **knobs)
        return bool(improved), bool(stop), tuple(map(float, new[0])) if new else ()
