"""GRADIENT: what becomes of the gradient before the optimizer sees it."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from bridle.knobs import knob
from bridle.places.base import EVERYTHING, ON, Placed
from bridle.places.signatures import Form

__all__ = ["Ascent", "Gradient"]


@dataclass(frozen=True, repr=False)
class Gradient(Placed, ABC):
    """Changes the gradient ``g`` of each selected parameter, penalties included.

    ``vanilla(g, *noise, *extra_inputs, **knobs, **step_inputs)`` returns the new gradient, as does ``torch``, which
    takes ``out=None`` besides. Extra inputs are ``"weight"``, the parameter itself, and ``"norm"``, the length of all
    selected gradients together, a number that broadcasts against ``g``; the step input is ``"step"`` (from 0). ``g``
    has any shape; with ``matrix`` it is (outputs, inputs, positions), and parameters of less than two axes are
    (outputs, 1, 1).
    """

    place: ClassVar[str] = "gradient"
    on_parameters: ClassVar[bool] = True
    forms: ClassVar[tuple[Form, ...]] = (
        Form("vanilla", "g *noise *extra_inputs", results=1),
        Form("torch", "g *noise *extra_inputs", results=1, out=True),
    )
    extra_inputs: ClassVar[tuple[Literal["weight", "norm"], ...]] = ()
    step_inputs: ClassVar[tuple[Literal["step"], ...]] = ()
    _: KW_ONLY
    on: str = knob(EVERYTHING, ON)
    matrix: ClassVar[bool] = False
    torch: ClassVar[Callable[..., Tensor]]


@dataclass(frozen=True, repr=False)
class Ascent(Placed, ABC):
    """Takes the gradient at another point: a first gradient ``g`` leads to it, the second is the one that counts.

    ``vanilla(w, g, norm, **knobs)`` and ``torch(w, g, norm, **knobs)`` return the parameter there; the engine puts it
    back before the update. ``norm`` is the length of ``measure(w, g, **knobs)`` over all selected parameters together.
    ``measure`` is arithmetic alone and serves both forms.

    Both gradients are of the data loss and the penalties on parameters, under the same noise. The second pass does not
    move the statistics of a batch norm. Clipping and the like act on the second gradient.
    """

    place: ClassVar[str] = "gradient"
    on_parameters: ClassVar[bool] = True
    second_pass: ClassVar[bool] = True
    forms: ClassVar[tuple[Form, ...]] = (
        Form("vanilla", "w g norm", results=1),
        Form("torch", "w g norm", results=1),
        Form("measure", "w g", results=1),
    )
    _: KW_ONLY
    on: str = knob(EVERYTHING, ON)
    torch: ClassVar[Callable[..., Tensor]]

    @staticmethod
    def measure(w: Any, g: Any, **numbers: Any) -> Any:
        """Return what the norm is taken of: the gradient itself, unless a subclass says otherwise."""
        del w, numbers
        return g
