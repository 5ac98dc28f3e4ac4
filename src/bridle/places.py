"""The seven places of a training step at which a regularizer can act.

The place is the type: it fixes the arguments, the order, the folder and the checks.

    x, y = BATCH(x, y)                      mixup, cutmix, cutout, input noise, label smoothing
    z    = network(x)    with LAYER inside  dropout, batch norm, other norms, stochastic depth
    loss = data_loss(z, y) + LOSS(w)        L2, L1, elastic net, group lasso, orthogonality
    g    = GRADIENT(gradient of loss)       clipping, gradient noise, SAM
    w    = optimizer(WEIGHT(w), g)          decoupled weight decay, max-norm, proximal steps
    a    = AVERAGE(a, w)                    EMA, SWA, lookahead, snapshots
    stop = STOP(history)                    early stopping with best weights restored

A place gets its abstract base below when the first regularizer that acts there arrives.

Two rules hold everywhere. Functions are pure: arrays are positional, knobs keyword-only, noise is an argument, new
state is returned. And nothing branches on a knob's value: in the stacked engine a knob is an array with one value per
variant, broadcast against the arrays, so the torch forms count their axes from the end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from torch import Tensor, nn

from bridle.knobs import knob
from bridle.recipe import Regularizer

MATRICES = "matrices"
EVERYTHING = "all"
ON = f'which parameters: "{MATRICES}" (two or more axes: no biases, no norm scales), "{EVERYTHING}", or a name pattern'
AT = ("hidden", "input", "all")


def acts_on(on: str, name: str, axes: int) -> bool:
    """Whether ``on`` selects the parameter ``name`` that has ``axes`` axes (in a single network, not in a stack).

    >>> acts_on("matrices", "linear1.bias", 1), acts_on("all", "linear1.bias", 1), acts_on("output.*", "output.bias", 1)
    (False, True, True)
    """
    if on == MATRICES:
        return axes >= 2
    return on == EVERYTHING or fnmatchcase(name, on)


@dataclass(frozen=True, repr=False)
class Layer(Regularizer, ABC):
    """Acts inside the network on activations ``h`` of shape (batch, units) while it trains.

    ``vanilla(h, *inputs, **numbers)`` returns ``(h, *state, backward)``, where ``backward(g)`` returns the gradients of
    ``h`` and of each parameter. ``torch(h, *inputs, **numbers)`` returns ``(h, *state)`` and is differentiated by
    autograd. ``evaluate(h, *parameters, *state, **numbers)`` serves both forms: it is arithmetic alone. ``inputs`` are
    the noise, if the layer draws any, then its parameters, then its state, in the order declared.
    """

    place: ClassVar[str] = "layer"
    draws_noise: ClassVar[bool]
    parameters: ClassVar[dict[str, float]]  # learned, one per unit: name and initial value
    state: ClassVar[dict[str, float]]  # carried from step to step, one per unit: name and initial value
    before_activation: ClassVar[bool]
    vanilla: ClassVar[Callable[..., Any]]
    torch: ClassVar[Callable[..., tuple[Tensor, ...]]]

    @staticmethod
    @abstractmethod
    def evaluate(h: Any, *inputs: Any, **numbers: Any) -> Any:
        """What becomes of ``h`` once training is over."""

    @abstractmethod
    def module(self, units: int, axes: int = 2) -> nn.Module:
        """An ordinary torch module that does the same, its parameters and state under the same names.

        ``axes`` counts those of the activations: 2 for (batch, units), 4 for (batch, channels, height, width).
        """


@dataclass(frozen=True, repr=False)
class Loss(Regularizer):
    """Adds a penalty on each selected parameter ``w`` to the loss.

    ``vanilla(w, **numbers)`` returns the penalty and its gradient; ``torch(w, **numbers)`` the penalty, for autograd.
    ``add_gradient(g, w, **numbers, out=None)`` returns ``g`` plus the penalty's gradient: what the engine calls, since
    one pass over the weights is several times cheaper than autograd's five.
    """

    place: ClassVar[str] = "loss"
    _: KW_ONLY
    on: str = knob(MATRICES, ON)
    vanilla: ClassVar[Callable[..., Any]]
    torch: ClassVar[Callable[..., Tensor]]
    add_gradient: ClassVar[Callable[..., Tensor]]


@dataclass(frozen=True, repr=False)
class Weight(Regularizer):
    """Changes each selected parameter ``w`` directly, on the weight that the optimizer's update then starts from.

    ``vanilla(w, *, lr, **numbers)`` and ``torch(w, *, lr, **numbers, out=None)`` return the new weight; ``lr`` is the
    learning rate of the step.
    """

    place: ClassVar[str] = "weight"
    _: KW_ONLY
    on: str = knob(MATRICES, ON)
    vanilla: ClassVar[Callable[..., Any]]
    torch: ClassVar[Callable[..., Tensor]]
