"""WEIGHT: what becomes of the weights around the optimizer's update."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from inspect import Parameter, signature
from typing import ClassVar, Literal

from torch import Tensor

from bridle.errors import InputError
from bridle.knobs import knob
from bridle.places.alone import check_settled, check_tensor
from bridle.places.base import MATRICES, ON, Placed
from bridle.places.matrices import as_matrix
from bridle.places.module import drawn
from bridle.places.signatures import Form
from bridle_audit.scalars import is_number

__all__ = ["Weight"]


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
    on_parameters: ClassVar[bool] = True
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

    def __call__(self, w: Tensor, **step_inputs: float) -> Tensor:
        """Return the new weight for a weight or bias ``w`` of any shape, which stays as it is.

        ``step_inputs`` are those that the class names, such as ``lr``; noise comes from torch's own generator. Raises
        ``InputError`` for a step input too few or too many.

        >>> import torch
        >>> from bridle import MaxNorm, WeightDecay
        >>> MaxNorm(limit=1.0)(torch.tensor([[3.0, 4.0], [0.3, 0.4]]))
        tensor([[0.6000, 0.8000],
                [0.3000, 0.4000]])
        >>> WeightDecay(strength=0.5)(torch.tensor([[3.0, 4.0]]), lr=0.1)
        tensor([[2.8500, 3.8000]])
        """
        check_settled(self)
        check_tensor(self, w, "w")
        parameters = signature(type(self).torch).parameters
        needed = {name for name in self.step_inputs if parameters[name].default is Parameter.empty}
        if not needed <= {*step_inputs} <= {*self.step_inputs}:
            known = ", ".join(f"{name}=" for name in self.step_inputs) or "no further arguments"
            raise InputError(f"{self!r} is called with (w) and {known}, got {', '.join(step_inputs) or 'w alone'}")
        for name, value in step_inputs.items():
            if not is_number(value):
                raise InputError(f"{self!r}: {name} is a number, got {value!r}")
        matrix = as_matrix(w)
        subject = matrix if self.matrix else w
        extra = [float(matrix[0].numel())] * len(self.extra_inputs)  # fan_in
        noise = [drawn(each, subject) for each in self.noise]
        return type(self).torch(subject, *noise, *extra, **self.keywords(), **step_inputs).reshape(w.shape)
