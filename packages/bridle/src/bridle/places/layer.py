"""LAYER: what happens inside the network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from bridle.knobs import knob
from bridle.places.declare import AT, HIDDEN, MATRICES, ON, Placed
from bridle.places.signatures import Form


@dataclass(frozen=True, repr=False)
class Layer(Placed, ABC):
    """Acts on the activations ``h`` of a layer while the network trains, and in its own way once it is trained.

    ``vanilla(h, *noise, *parameters, *state, **knobs)`` returns ``(h, *state, backward)``, where ``backward(g)``
    returns the gradients of ``h`` and of each parameter. ``torch(...)`` returns ``(h, *state)`` and is differentiated
    by autograd. ``evaluate(h, *parameters, *state, **knobs)`` serves both forms: it is arithmetic alone.

    By default ``h`` is (batch, units), with the positions of images and sequences counted as rows. With ``maps`` it is
    (batch, channels, height, width): a sequence has height 1, a plain batch height and width 1. Parameters and state
    have one value per unit, and start at the number that is declared: (units,), with ``maps`` (channels, 1, 1). What is
    remembered of batches is a running mean with a knob ``momentum``, the weight of the newest: where statistics are
    measured anew for averaged weights, it is 1 in each batch, and the batches' values are averaged.
    """

    place: ClassVar[str] = "layer"
    forms: ClassVar[tuple[Form, ...]] = (
        Form("vanilla", "h *noise *parameters *state", results=2, keeps=True),
        Form("torch", "h *noise *parameters *state", results=1, keeps=True),
        Form("evaluate", "h *parameters *state", results=1),
    )
    _: KW_ONLY
    at: str = knob(HIDDEN, AT)
    maps: ClassVar[bool] = False
    before_activation: ClassVar[bool] = False
    torch: ClassVar[Callable[..., tuple[Tensor, ...]]]

    @staticmethod
    @abstractmethod
    def evaluate(h: Any, *inputs: Any, **numbers: Any) -> Any:
        """What becomes of ``h`` once training is over."""

    def module(self, units: int, axes: int = 2) -> nn.Module:
        """An ordinary torch module that does the same, its parameters and state under the same names.

        ``axes`` counts those of the activations: 2 for (batch, units), 4 for (batch, channels, height, width). Where
        torch has one of its own that is the same, that one; else the formula, wrapped.
        """
        from bridle.places.module import LayerModule  # noqa: PLC0415  (it needs this class)

        return LayerModule(self, units)


@dataclass(frozen=True, repr=False)
class WeightLayer(Placed, ABC):
    """Acts inside the network on the weight ``w`` of a layer, each time that the layer uses it.

    State may be taken as a constant in the gradient. The stored weight stays what the optimizer and the penalties see.
    ``vanilla(w, *noise, *parameters, *state, **knobs)`` returns ``(w, *state, backward)``, ``torch`` the same without
    ``backward``, ``evaluate(w, *parameters, *state, **knobs)`` the weight of the trained network.

    ``w`` is (outputs, inputs, positions): a linear layer has one position, a convolution those of its kernel.
    A parameter or state that starts at a number has one value per output, (outputs, 1, 1); one that starts at a
    function has the shape that the function returns for the initial ``w`` (NumPy's and torch's, by arithmetic alone).
    """

    place: ClassVar[str] = "layer"
    forms: ClassVar[tuple[Form, ...]] = (
        Form("vanilla", "w *noise *parameters *state", results=2, keeps=True),
        Form("torch", "w *noise *parameters *state", results=1, keeps=True),
        Form("evaluate", "w *parameters *state", results=1),
    )
    _: KW_ONLY
    on: str = knob(MATRICES, ON)
    torch: ClassVar[Callable[..., tuple[Tensor, ...]]]

    @staticmethod
    @abstractmethod
    def evaluate(w: Any, *inputs: Any, **numbers: Any) -> Any:
        """The weight as it acts once training is over."""
