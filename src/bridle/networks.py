"""The networks that bridle builds itself, as plain descriptions; any other comes as a zero-argument factory.

>>> str(mlp(128, 64)), str(linear()), parse("mlp(8, activation='tanh')").hidden
('mlp(128, 64)', 'linear()', (8,))
"""

from __future__ import annotations

import ast
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


@dataclass(frozen=True)
class MLP:
    """A multilayer perceptron: widths of the hidden layers and their activation. No hidden layer: a linear model."""

    hidden: tuple[int, ...]
    activation: str = "relu"

    def __post_init__(self) -> None:
        for width in self.hidden:
            if isinstance(width, bool) or not isinstance(width, int) or width < 1:
                raise ValueError(f"mlp: widths must be whole numbers of at least 1, got {width!r}")
        if self.activation not in tuple(ACTIVATIONS):  # of a tuple one may ask with anything, a list too
            raise ValueError(f"mlp: activation must be one of {', '.join(ACTIVATIONS)}, got {self.activation!r}")

    def __str__(self) -> str:
        if not self.hidden:
            return "linear()"
        activation = "" if self.activation == "relu" else f", activation={self.activation!r}"
        return f"mlp({', '.join(map(str, self.hidden))}{activation})"

    def widths(self, inputs: int, outputs: int) -> tuple[int, ...]:
        """All widths, from the inputs to the outputs."""
        return (inputs, *self.hidden, outputs)

    def layer_names(self) -> tuple[str, ...]:
        """The linear layers in order: linear1, linear2, ..., output; parameters are ``linear1.weight`` ...."""
        return (*(f"linear{k + 1}" for k in range(len(self.hidden))), "output")

    def build(self, inputs: int, outputs: int) -> nn.Sequential:
        """An ordinary module with torch's own initial weights."""
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        names = self.layer_names()
        for number, (name, (fan_in, fan_out)) in enumerate(
            zip(names, pairwise(self.widths(inputs, outputs)), strict=True), start=1
        ):
            layers[name] = nn.Linear(fan_in, fan_out)
            if name != names[-1]:
                layers[f"{self.activation}{number}"] = ACTIVATIONS[self.activation]()
        return nn.Sequential(layers)


Network = MLP | Callable[[], nn.Module]


def mlp(*hidden: int, activation: str = "relu") -> MLP:
    """A multilayer perceptron with hidden layers of these widths; activations: relu, tanh, sigmoid."""
    return MLP(hidden, activation)


def linear() -> MLP:
    """A linear model: no hidden layer."""
    return MLP(())


def parse(text: str) -> MLP:
    """Read ``"mlp(128, 64)"``, ``"mlp(64, activation='tanh')"`` or ``"linear()"``; nothing is evaluated."""
    problem = (
        f"cannot read the network {text!r}; write it as 'mlp(128, 64)', \"mlp(64, activation='tanh')\" or 'linear()'"
    )
    try:
        call = ast.parse(text.strip(), mode="eval").body
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("mlp", "linear")):
            raise ValueError(problem)
        widths = [ast.literal_eval(each) for each in call.args]
        options = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(problem) from error
    twice = len(options) < len(call.keywords)
    if twice or (call.func.id == "linear" and (widths or options)) or set(options) - {"activation"}:
        raise ValueError(problem)
    return mlp(*widths, **options)
