"""LOSS: what is added to the loss."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from bridle.knobs import knob
from bridle.places.declare import AT, HIDDEN, MATRICES, ON, Placed
from bridle.places.signatures import Form


@dataclass(frozen=True, repr=False)
class Loss(Placed, ABC):
    """Adds a penalty on each selected parameter ``w`` to the loss.

    ``vanilla(w, *extra_inputs, *state, **knobs)`` returns ``(penalty, gradient, *state)``; ``torch`` the penalty, for
    autograd, or ``(penalty, *state)`` where there is state. ``add_gradient(g, w, *extra_inputs, *state, **knobs,
    out=None)`` returns ``g`` plus the penalty's gradient: what the engine calls, since one pass over the weights is
    several times cheaper than autograd's five. Of one variant or of a stack, it must be right for both.

    The extra input is ``"initial"``: the parameter as it was before the first step. ``w`` has any shape; with
    ``matrix`` it is (outputs, inputs, positions), whatever the layer. State starts as in
    :class:`bridle.places.WeightLayer`, and is advanced by ``vanilla`` and ``torch``; ``add_gradient`` then returns
    ``(g, *state)``.
    """

    place: ClassVar[str] = "loss"
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


@dataclass(frozen=True, repr=False)
class ActivityLoss(Placed, ABC):
    """Adds a penalty on the activations ``h`` (batch, units) to the loss; positions of images count as rows.

    ``vanilla(h, **knobs)`` returns ``(penalty, gradient)``; ``torch(h, **knobs)`` the penalty (...), for autograd, of
    ``h`` (..., batch, units).
    """

    place: ClassVar[str] = "loss"
    forms: ClassVar[tuple[Form, ...]] = (
        Form("vanilla", "h", results=2),
        Form("torch", "h", results=1),
    )
    _: KW_ONLY
    at: str = knob(HIDDEN, AT)
    torch: ClassVar[Callable[..., Tensor]]


@dataclass(frozen=True, repr=False)
class OutputLoss(Placed, ABC):
    """Adds a penalty on the outputs ``z`` (batch, outputs), logits where there are classes, to the loss.

    ``vanilla(z, **knobs)`` returns ``(penalty, gradient)``; ``torch(z, **knobs)`` the penalty (...), for autograd.
    """

    place: ClassVar[str] = "loss"
    forms: ClassVar[tuple[Form, ...]] = (
        Form("vanilla", "z", results=2),
        Form("torch", "z", results=1),
    )
    classes_only: ClassVar[bool] = False
    torch: ClassVar[Callable[..., Tensor]]


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

    @staticmethod
    def move(x: Any, *arrays: Any, **numbers: Any) -> Any:
        """The batch of the second pass: the same, unless a subclass says otherwise."""
        del arrays, numbers
        return x
