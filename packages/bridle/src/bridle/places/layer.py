"""LAYER: what happens inside the network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, ClassVar, Generic, NamedTuple

from torch import Tensor, enable_grad, nn
from torch.autograd import grad
from torch.nn.utils import parametrize

from bridle.errors import InputError
from bridle.knobs import knob
from bridle.places.alone import check_settled
from bridle.places.base import AT, HIDDEN, MATRICES, ON, Array
from bridle.places.forward import ForwardRegularizer
from bridle.places.module import LayerModule, WeightModule
from bridle.places.signatures import Form

__all__ = ["Layer", "RunningStatistics", "WeightLayer"]


Backward = Callable[[Tensor], tuple[Tensor, ...]]  # the gradient of the output -> those of subject and parameters
AXES = (2, 3, 4, 5)  # of activations: rows, sequences, images, volumes


class RunningStatistics(NamedTuple, Generic[Array]):
    """Running mean and variance of the batches that a norm has seen, one value per unit."""

    running_mean: Array
    running_var: Array  # unbiased


@dataclass(frozen=True, repr=False)
class Layer(ForwardRegularizer, ABC):
    """Acts on the activations ``h`` of a layer while the network trains, and in its own way once it is trained.

    ``vanilla(h, *noise, *parameters, state, **knobs)`` returns ``(h, state, backward)``, where ``backward(g)`` returns
    the gradients of ``h`` and of each parameter. ``torch(...)`` returns ``(h, state)`` and is differentiated by
    autograd. ``evaluate(h, *parameters, state, **knobs)`` serves both forms: it is arithmetic alone. A class that
    declares no state takes and returns none: ``torch`` then returns ``h``. ``torch_with_gradient`` is for a layer that
    many train with: ``torch`` with a ``backward`` behind its results, as in ``vanilla``, for when autograd costs more
    than the layer does.

    By default ``h`` is (batch, units), with the positions of images and sequences counted as rows. With ``maps`` it is
    (batch, channels, height, width): a sequence has height 1, a plain batch height and width 1. Parameters and state
    have one value per unit, and start at the number that is declared: (units,), with ``maps`` (channels, 1, 1). State
    is what is remembered of batches, with a knob that is the weight of the newest and says so by ``newest``: where
    statistics are measured anew for averaged weights, it is that in each batch, and the batches' values are averaged.
    """

    place: ClassVar[str] = "layer"
    in_network: ClassVar[bool] = True
    forms: ClassVar[tuple[Form, ...]] = (
        Form("vanilla", "h *noise *parameters *state", results=2, keeps=True),
        Form("torch", "h *noise *parameters *state", results=1, keeps=True),
        Form("evaluate", "h *parameters *state", results=1),
    )
    _: KW_ONLY
    at: str = knob(HIDDEN, AT)
    maps: ClassVar[bool] = False
    before_activation: ClassVar[bool] = False
    torch: ClassVar[Callable[..., Any]]
    torch_with_gradient: ClassVar[Callable[..., Any] | None] = None

    @staticmethod
    @abstractmethod
    def evaluate(h: Any, *inputs: Any, **knobs: Any) -> Any:
        """Return what becomes of ``h`` once training is over."""

    def call_with_gradient(
        self,
        subject: Tensor,
        noise: Sequence[Tensor],
        parameters: Sequence[Tensor],
        state: Sequence[Tensor],
        knobs: Mapping[str, Any],
    ) -> tuple[Tensor, tuple[Tensor, ...], Backward]:
        """Return what :meth:`call_torch` does, without a graph, and the gradient function: by hand or by autograd."""
        form = type(self).torch_with_gradient
        if form is not None:
            out, *new, backward = form(subject, *noise, *parameters, *self.pack(state), **knobs)
            return out, new[0] if new else (), backward
        leaves = [each.detach().requires_grad_() for each in (subject, *parameters)]
        with enable_grad():
            out, moved = self.call_torch(leaves[0], noise, leaves[1:], state, knobs)
        by_autograd = partial(grad, out, leaves, materialize_grads=True)
        return out.detach(), tuple(each.detach() for each in moved), by_autograd

    def module(self, units: int | None = None, axes: int = 2) -> nn.Module:
        """Return an ordinary torch module that does the same, for anybody's network.

        Parameters and state have the names that they have here. ``units`` is their number, which only a layer with
        parameters or state needs; ``axes`` counts those of the activations: 2 for (batch, units), 4 for (batch,
        channels, height, width). Where torch has a module of its own that is the same, it is that one; else the
        formula, wrapped. Raises ``InputError`` for a missing number of units, and for knobs on a schedule.

        >>> from bridle import BatchNorm, Dropout
        >>> nn.Sequential(nn.Linear(4, 8), BatchNorm().module(8), nn.ReLU(), Dropout(rate=0.1).module())[3]
        Dropout(p=0.1, inplace=False)
        """
        check_settled(self)
        if units is None and (self.parameters or self.state):
            raise InputError(f"{self!r} has a value for each unit; give their number: .module(units)")
        if units is not None and (not isinstance(units, int) or units < 1):
            raise InputError(f"{self!r}.module: units must be a whole number of at least 1, got {units!r}")
        if axes not in AXES:
            raise InputError(f"{self!r}.module: axes must be one of {', '.join(map(str, AXES))}, got {axes!r}")
        return self.make_module(units or 0, axes)

    def make_module(self, units: int, axes: int) -> nn.Module:
        """Return the module for so many units and axes: torch's own, where a subclass knows one; else the formula."""
        del axes
        return LayerModule(self, units)


@dataclass(frozen=True, repr=False)
class WeightLayer(ForwardRegularizer, ABC):
    """Acts inside the network on the weight ``w`` of a layer, each time that the layer uses it.

    State may be taken as a constant in the gradient. The stored weight stays what the optimizer and the penalties see.
    ``vanilla(w, *noise, *parameters, state, **knobs)`` returns ``(w, state, backward)``, ``torch`` the same without
    ``backward``, ``evaluate(w, *parameters, state, **knobs)`` the weight of the trained network. A class that declares
    no state takes and returns none.

    ``w`` is (outputs, inputs, positions): a linear layer has one position, a convolution those of its kernel.
    A parameter or state that starts at a number has one value per output, (outputs, 1, 1); one that starts at a
    function has the shape that the function returns for the initial ``w`` (NumPy's and torch's, by arithmetic alone).
    """

    place: ClassVar[str] = "layer"
    in_network: ClassVar[bool] = True
    on_parameters: ClassVar[bool] = True
    forms: ClassVar[tuple[Form, ...]] = (
        Form("vanilla", "w *noise *parameters *state", results=2, keeps=True),
        Form("torch", "w *noise *parameters *state", results=1, keeps=True),
        Form("evaluate", "w *parameters *state", results=1),
    )
    _: KW_ONLY
    on: str = knob(MATRICES, ON)
    torch: ClassVar[Callable[..., Any]]

    @staticmethod
    @abstractmethod
    def evaluate(w: Any, *inputs: Any, **knobs: Any) -> Any:
        """Return the weight as it acts once training is over."""

    def parametrize(self, layer: nn.Module, name: str = "weight") -> nn.Module:
        """Let a layer of anybody's network use its weight through this, and return the layer.

        Raises ``InputError`` where the layer has no such parameter. The layer stays what it is, and keeps its stored
        weight as ``layer.parametrizations.weight.original``, as torch's own parametrizations do.

        >>> import torch
        >>> from bridle import SpectralNorm
        >>> layer = nn.Linear(2, 2)
        >>> _ = layer.weight.data.copy_(torch.diag(torch.tensor([3.0, 4.0])))
        >>> SpectralNorm().parametrize(layer).weight.detach()
        tensor([[0.7500, 0.0000],
                [0.0000, 1.0000]])
        """
        check_settled(self)
        w = getattr(layer, name, None)
        if not (isinstance(w, nn.Parameter) or parametrize.is_parametrized(layer, name)) or not isinstance(w, Tensor):
            raise InputError(f"{type(layer).__name__} has no parameter {name!r}; name one of its own")
        groups = getattr(layer, "groups", 1) if getattr(layer, "transposed", False) else 0
        parametrize.register_parametrization(layer, name, WeightModule(self, w, transposed=groups))
        return layer
