"""WEIGHT: what becomes of the weights around the optimizer's update."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from torch import Tensor

from bridle.knobs import knob
from bridle.places.declare import MATRICES, ON, Placed


@dataclass(frozen=True, repr=False)
class Weight(Placed, ABC):
    """Changes each selected parameter ``w``: before the optimizer's update, or behind it (``after_update``).

    ``vanilla(w, *noise, *asked, **knobs, **told)`` and ``torch(w, *noise, *asked, **knobs, **told, out=None)`` return
    the new weight. It may ask for ``"fan_in"``: how many inputs one unit of ``w`` has, a number. It may be told
    ``"lr"``, the learning rate of the step; ``"peak"``, the highest one of the schedule; ``"step"`` (from 0) and
    ``"steps"``. ``w`` has any shape; with ``matrix`` it is (outputs, inputs, positions), and parameters of less than
    two axes are (outputs, 1, 1).
    """

    place: ClassVar[str] = "weight"
    _: KW_ONLY
    on: str = knob(MATRICES, ON)
    after_update: ClassVar[bool] = False
    matrix: ClassVar[bool] = False
    torch: ClassVar[Callable[..., Tensor]]
