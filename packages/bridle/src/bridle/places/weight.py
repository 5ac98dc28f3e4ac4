"""WEIGHT: what becomes of the weights around the optimizer's update."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal

from torch import Tensor

from bridle.knobs import knob
from bridle.places.declare import MATRICES, ON, Placed
from bridle.places.signatures import Form


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
    forms: ClassVar[tuple[Form, ...]] = (
        Form("vanilla", "w *noise *asks", results=1),
        Form("torch", "w *noise *asks", results=1, out=True),
    )
    asks: ClassVar[tuple[Literal["fan_in"], ...]] = ()
    answers: ClassVar[tuple[str, ...]] = ("fan_in",)
    tells: ClassVar[tuple[str, ...]] = ("lr", "peak", "step", "steps")
    _: KW_ONLY
    on: str = knob(MATRICES, ON)
    after_update: ClassVar[bool] = False
    matrix: ClassVar[bool] = False
    torch: ClassVar[Callable[..., Tensor]]
