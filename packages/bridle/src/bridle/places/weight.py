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

    ``vanilla(w, *noise, *extra_inputs, **knobs, **step_inputs)`` returns the new weight, as does ``torch``, which takes
    ``out=None`` besides. The extra input is ``"fan_in"``: how many inputs one unit of ``w`` has, a number. Step inputs
    are ``"lr"``, the learning rate of the step; ``"peak"``, the highest one of the schedule; ``"step"`` (from 0) and
    ``"steps"``. ``w`` has any shape; with ``matrix`` it is (outputs, inputs, positions), and parameters of less than
    two axes are (outputs, 1, 1).
    """

    place: ClassVar[str] = "weight"
    forms: ClassVar[tuple[Form, ...]] = (
        Form("vanilla", "w *noise *extra_inputs", results=1),
        Form("torch", "w *noise *extra_inputs", results=1, out=True),
    )
    extra_inputs: ClassVar[tuple[Literal["fan_in"], ...]] = ()
    step_inputs: ClassVar[tuple[Literal["lr", "peak", "step", "steps"], ...]] = ()
    _: KW_ONLY
    on: str = knob(MATRICES, ON)
    after_update: ClassVar[bool] = False
    matrix: ClassVar[bool] = False
    torch: ClassVar[Callable[..., Tensor]]
