"""LOSS: what is added to the loss."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from torch import Tensor

from bridle.errors import InputError
from bridle.knobs import knob
from bridle.places.alone import check_same_shape, check_settled, check_tensor
from bridle.places.base import AT, HIDDEN, MATRICES, ON, Placed
from bridle.places.matrices import as_matrix, begin
from bridle.places.signatures import Form

__all__ = ["ActivityLoss", "Loss", "OutputLoss", "PassLoss"]


@dataclass(frozen=True, repr=False)
class Loss(Placed, ABC):
    """Adds a penalty on each selected parameter ``w`` to the loss.

    ``vanilla(w, *extra_inputs, state, **knobs)`` returns ``(penalty, gradient, state)``; ``torch`` the penalty, for
    autograd, or ``(penalty, state)`` where there is state. ``add_gradient(g, w, *extra_inputs, state, **knobs,
    out=None)`` returns ``g`` plus the penalty's gradient: what the engine calls, since one pass over the weights is
    several times cheaper than autograd's five. Of one variant or of a stack, it must be right for both.

    The extra input is ``"initial"``: the parameter as it was before the first step. ``w`` has any shape; with
    ``matrix`` it is (outputs, inputs, positions), whatever the layer. State starts as in
    :class:`bridle.places.WeightLayer`, and is advanced by ``vanilla`` and ``torch``; ``add_gradient`` then returns
    ``(g, state)``.
    """

    place: ClassVar[str] = "loss"
    on_parameters: ClassVar[bool] = True
    forms: ClassVar[tuple[Form, ...]] = (
        Form("vanilla", "w *extra_inputs *state", results=2, keeps=True),
        Form("torch", "w *extra_inputs *state", results=1, keeps=True),
        Form("add_gradient", "g w *extra_inputs *state", results=1, keeps=True, out=True),
    )
    extra_inputs: ClassVar[tuple[Literal["initial"], ...]] = ()
    _: KW_ONLY
    on: str = knob(MATRICES, ON)
    matrix: ClassVar[bool] = False
    torch: ClassVar[Callable[..., Any]]
    add_gradient: ClassVar[Callable[..., Any]]

    def __call__(self, w: Tensor, initial: Tensor | None = None) -> Tensor:
        """Return the penalty of one weight or bias ``w`` of any shape, as training begins: a scalar with a gradient.

        ``initial`` is the weight before the first step, for penalties that take it; by default it is ``w`` as it is.

        >>> import torch
        >>> from bridle import L2
        >>> L2(strength=0.1)(torch.tensor([3.0, 4.0]))
        tensor(2.5000)
        """
        if initial is not None and not self.extra_inputs:
            raise InputError(f"{self!r} does not know where a weight began; call it with the weight alone")
        check_settled(self)
        start = w if initial is None else initial
        for name, each in (("w", w), ("initial", start)):
            check_tensor(self, each, name)
        check_same_shape(self, w, start, "w and initial")
        start = start.detach()
        subjects = [as_matrix(each) if self.matrix else each for each in (w, *[start] * len(self.extra_inputs))]
        state = [begin(each, as_matrix(w.detach())) for each in self.state]
        return self.call_torch(subjects[0], subjects[1:], state, self.keywords())[0]

    def call_vanilla(
        self, w: np.ndarray, extra: Sequence[np.ndarray], state: Sequence[np.ndarray], knobs: Mapping[str, Any]
    ) -> tuple[float, np.ndarray, tuple[np.ndarray, ...]]:
        """Return the penalty, its gradient and the new state, by the NumPy form."""
        penalty, gradient, *new = type(self).vanilla(w, *extra, *self.pack(state), **knobs)
        return float(penalty), gradient, new[0] if new else ()

    def call_torch(
        self, w: Tensor, extra: Sequence[Tensor], state: Sequence[Tensor], knobs: Mapping[str, Any]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the penalty and the new state, by the PyTorch form."""
        returned = type(self).torch(w, *extra, *self.pack(state), **knobs)
        return returned if self.state else (returned, ())

    def call_add_gradient(
        self, g: Tensor, w: Tensor, extra: Sequence[Tensor], state: Sequence[Tensor], knobs: Mapping[str, Any]
    ) -> tuple[Tensor, ...]:
        """Add the penalty's gradient to ``g``, in place; returns the new state."""
        returned = type(self).add_gradient(g, w, *extra, *self.pack(state), **knobs, out=g)
        return returned[1] if self.state else ()


@dataclass(frozen=True, repr=False)
class ActivityLoss(Placed, ABC):
    """Adds a penalty on the activations ``h`` (batch, units) to the loss; positions of images count as rows.

    ``vanilla(h, **knobs)`` returns ``(penalty, gradient)``; ``torch(h, **knobs)`` the penalty (...), for autograd, of
    ``h`` (..., batch, units).
    """

    place: ClassVar[str] = "loss"
    in_network: ClassVar[bool] = True
    forms: ClassVar[tuple[Form, ...]] = (
        Form("vanilla", "h", results=2),
        Form("torch", "h", results=1),
    )
    _: KW_ONLY
    at: str = knob(HIDDEN, AT)
    torch: ClassVar[Callable[..., Tensor]]

    def __call__(self, h: Tensor) -> Tensor:
        """Return the penalty of activations ``h`` (batch, units): a scalar with a gradient.

        >>> import torch
        >>> from bridle import ActivityL1
        >>> ActivityL1(strength=0.5)(torch.tensor([[1.0, -2.0], [0.0, 1.0]]))
        tensor(1.)
        """
        check_settled(self)
        check_tensor(self, h, "h", axes=2)
        return type(self).torch(h, **self.keywords())


@dataclass(frozen=True, repr=False)
class OutputLoss(Placed, ABC):
    """Adds a penalty on the outputs ``z`` (batch, outputs), logits where there are classes, to the loss.

    ``vanilla(z, **knobs)`` returns ``(penalty, gradient)``; ``torch(z, **knobs)`` the penalty (...), for autograd.
    """

    place: ClassVar[str] = "loss"
    on_outputs: ClassVar[bool] = True
    forms: ClassVar[tuple[Form, ...]] = (
        Form("vanilla", "z", results=2),
        Form("torch", "z", results=1),
    )
    classes_only: ClassVar[bool] = False
    torch: ClassVar[Callable[..., Tensor]]

    def __call__(self, z: Tensor) -> Tensor:
        """Return the penalty of outputs ``z`` (batch, outputs): a scalar with a gradient.

        >>> import torch
        >>> from bridle import ConfidencePenalty
        >>> ConfidencePenalty(strength=1.0)(torch.zeros(1, 2))  # an even guess has the entropy log 2
        tensor(-0.6931)
        """
        check_settled(self)
        check_tensor(self, z, "z", axes=2)
        return type(self).torch(z, **self.keywords())


@dataclass(frozen=True, repr=False)
class PassLoss(Placed, ABC):
    """Adds a penalty on how the outputs ``z`` differ from ``other``, those of a second pass through the network.

    ``vanilla(z, other, **knobs)`` returns ``(penalty, gradient of z, gradient of other)``; ``torch(z, other, **knobs)``
    the penalty (...), for autograd. ``z`` and ``other`` are (batch, outputs), logits where there are classes.

    The second pass sees the same batch under other noise of the recipe's layers (``fresh_noise``), or a moved one under
    the same noise: ``move(x, *noise, **knobs) -> x`` with ``x`` (batch, features) and the noise that the class
    declares. A regularizer with the extra input ``"slope"`` defines ``probe(x, *noise, **knobs) -> x`` as well: the
    penalty between ``z`` and the outputs there (taken as its formula says, per row), has a gradient with respect to
    the probed ``x``, and ``move(x, slope, **knobs)`` is given that instead of the noise. Both are arithmetic alone and
    serve both forms.

    No pass but the first moves the statistics of a batch norm.
    """

    place: ClassVar[str] = "loss"
    on_outputs: ClassVar[bool] = True
    second_pass: ClassVar[bool] = True
    forms: ClassVar[tuple[Form, ...]] = (
        Form("vanilla", "z other", results=3),
        Form("torch", "z other", results=1),
        Form("move", "x *moved", results=1),
        Form("probe", "x *noise", results=1, serves="slope"),
    )
    extra_inputs: ClassVar[tuple[Literal["slope"], ...]] = ()
    classes_only: ClassVar[bool] = False
    fresh_noise: ClassVar[bool] = False
    torch: ClassVar[Callable[..., Tensor]]
    probe: ClassVar[Callable[..., Any]]

    def __call__(self, z: Tensor, other: Tensor) -> Tensor:
        """Return the penalty of the outputs of two passes, both (batch, outputs): a scalar with a gradient.

        >>> import torch
        >>> from bridle import RDrop
        >>> z = torch.tensor([[1.0, 2.0]])
        >>> RDrop(strength=1.0)(z, z)
        tensor(0.)
        """
        check_settled(self)
        for name, each in (("z", z), ("other", other)):
            check_tensor(self, each, name, axes=2)
        check_same_shape(self, z, other, "z and other")
        return type(self).torch(z, other, **self.keywords())

    @staticmethod
    def move(x: Any, *arrays: Any, **numbers: Any) -> Any:
        """Return the batch of the second pass: the same, unless a subclass says otherwise."""
        del arrays, numbers
        return x
