"""The networks that bridle builds itself, as plain descriptions; any other comes as a zero-argument factory.

>>> str(mlp(128, 64)), str(linear()), parse("mlp(8, activation='tanh')").hidden
('mlp(128, 64)', 'linear()', (8,))
>>> str(residual_mlp(64, depth=3)), parse("convnet(16, 32)").channels
('residual_mlp(64, 3)', (16, 32))
"""

from __future__ import annotations

import ast
import inspect
import math
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from torch import Tensor, nn

from bridle.errors import InputError
from bridle.feature_layout import Layout
from bridle_audit.wording import shortened

__all__ = [
    "MLP",
    "ConvNet",
    "DescribedNetwork",
    "Network",
    "Residual",
    "ResidualMLP",
    "convnet",
    "linear",
    "mlp",
    "parse",
    "parse_network",
    "residual_mlp",
]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "selu": nn.SELU,
}


@dataclass(frozen=True)
class MLP:
    """A multilayer perceptron: widths of the hidden layers and their activation. No hidden layer: a linear model."""

    hidden: tuple[int, ...]
    activation: str = "relu"

    def __post_init__(self) -> None:
        check_whole("mlp: widths", self.hidden)
        check_depth("mlp", len(self.hidden) + 1)
        check_activation("mlp", self.activation)

    def __str__(self) -> str:
        return format_network("mlp", self.hidden, self.activation) if self.hidden else "linear()"

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


@dataclass(frozen=True)
class DescribedNetwork(ABC):
    """A network whose layers depend on the data, and which is trained like any module: from a factory."""

    @abstractmethod
    def build(self, shape: tuple[int, ...], outputs: int) -> nn.Sequential:
        """An ordinary module for rows of this shape, with torch's own initial weights; ``ValueError`` if none fits."""

    def factory(self, shape: tuple[int, ...], outputs: int) -> Callable[[], nn.Module]:
        """Return the function that makes the module for rows of this shape."""
        return partial(self.build, shape, outputs)


class Residual(nn.Module):
    """A residual branch: ``x + branch(x)`` (He et al., Deep Residual Learning, 2016, equation 1)."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        """Any shape that the branch keeps -> the same shape."""
        out: Tensor = x + self.branch(x)
        return out


@dataclass(frozen=True)
class ResidualMLP(DescribedNetwork):
    """A perceptron of residual blocks of one width; a block is activation, linear, activation, linear.

    So an activation stands before every linear layer but the first, and none on the sums (as in He et al., Identity
    Mappings in Deep Residual Networks, 2016, figure 1b, without the norms). Linear layers in order: ``stem``,
    ``block1.branch.linear1``, ``block1.branch.linear2``, ``block2.branch.linear1``, ..., ``output``.
    """

    width: int
    depth: int  # blocks
    activation: str = "relu"

    def __post_init__(self) -> None:
        check_whole("residual_mlp: width and depth", (self.width, self.depth))
        check_depth("residual_mlp", 2 * self.depth + 2)
        check_activation("residual_mlp", self.activation)

    def __str__(self) -> str:
        return format_network("residual_mlp", (self.width, self.depth), self.activation)

    def build(self, shape: tuple[int, ...], outputs: int) -> nn.Sequential:
        """For rows of any shape, which are flattened."""
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["flatten"] = nn.Flatten()
        layers["stem"] = nn.Linear(math.prod(shape), self.width)
        for number in range(1, self.depth + 1):
            layers[f"block{number}"] = Residual(self.branch())
        layers[self.activation] = ACTIVATIONS[self.activation]()
        layers["output"] = nn.Linear(self.width, outputs)
        return nn.Sequential(layers)

    def branch(self) -> nn.Sequential:
        """Return the branch of one block: what is added to its input."""
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number in (1, 2):
            layers[f"{self.activation}{number}"] = ACTIVATIONS[self.activation]()
            layers[f"linear{number}"] = nn.Linear(self.width, self.width)
        return nn.Sequential(layers)


@dataclass(frozen=True)
class ConvNet(DescribedNetwork):
    """A small convolutional network: for each number of channels a 3x3 convolution, its activation, and 2x2 pooling.

    Pooling ends where height or width is 1. Weighted layers in order: ``conv1``, ``conv2``, ..., ``output``.
    """

    channels: tuple[int, ...]
    activation: str = "relu"

    def __post_init__(self) -> None:
        if not self.channels:
            raise InputError("convnet: say the channels of each convolution, as in convnet(16, 32)")
        check_whole("convnet: channels", self.channels)
        check_depth("convnet", len(self.channels) + 1)
        check_activation("convnet", self.activation)

    def __str__(self) -> str:
        return format_network("convnet", self.channels, self.activation)

    def build(self, shape: tuple[int, ...], outputs: int) -> nn.Sequential:
        """For rows of shape (height, width) or (channels, height, width)."""
        image = Layout.of(shape).image
        if image is None:
            raise InputError(
                f"convnet takes images, rows of shape (height, width) or (channels, height, width), and these are rows "
                f"of shape {shape}; give the images their shape, or take mlp(...)"
            )
        channels, height, width = image
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if len(shape) == 2:
            layers["channel"] = nn.Unflatten(1, (1, height))
        for number, (fan_in, fan_out) in enumerate(pairwise((channels, *self.channels)), start=1):
            layers[f"conv{number}"] = nn.Conv2d(fan_in, fan_out, kernel_size=3, padding=1)
            layers[f"{self.activation}{number}"] = ACTIVATIONS[self.activation]()
            if min(height, width) > 1:
                layers[f"pool{number}"] = nn.MaxPool2d(2)
                height, width = height // 2, width // 2
        layers["flatten"] = nn.Flatten()
        layers["output"] = nn.Linear(self.channels[-1] * height * width, outputs)
        return nn.Sequential(layers)


Network = MLP | DescribedNetwork | Callable[[], nn.Module]
MOST_LAYERS = 1000  # of a description: deeper ones do not learn, and take longer to make than to train


def parse_network(network: Network | str) -> Network:
    """A description, also as text, or a factory; ``ValueError`` for what is neither."""
    if isinstance(network, str):
        return parse(network)
    if isinstance(network, nn.Module):
        raise InputError(
            f"network must be a description such as mlp(128, 64) or a function that makes a module, got a "
            f"{type(network).__name__} that is made already; every run needs its own"
        )
    if isinstance(network, MLP | DescribedNetwork):
        return network
    if not callable(network):
        raise InputError(
            f"a network is a description such as mlp(128, 64), or a function that returns an nn.Module, got {network!r}"
        )
    try:
        inspect.signature(network).bind()
    except TypeError as error:
        name = getattr(network, "__name__", type(network).__name__)
        raise InputError(
            f"the function that makes the network is called without arguments, and {name} needs some ({error}); "
            f"write network=lambda: {'Network' if '<' in name else name}(...)"
        ) from error
    except ValueError:  # one of those that do not tell
        pass
    return network


def mlp(*hidden: int, activation: str = "relu") -> MLP:
    """A multilayer perceptron with hidden layers of these widths; activations: relu, tanh, sigmoid, selu."""
    return MLP(hidden, activation)


def linear() -> MLP:
    """A linear model: no hidden layer."""
    return MLP(())


def residual_mlp(width: int, depth: int, *, activation: str = "relu") -> ResidualMLP:
    """A perceptron of ``depth`` residual blocks, two linear layers each, all of one width."""
    return ResidualMLP(width, depth, activation)


def convnet(*channels: int, activation: str = "relu") -> ConvNet:
    """A convolutional network for images: 3x3 convolutions with these channels, 2x2 pooling behind each."""
    return ConvNet(channels, activation)


BY_NAME: dict[str, Callable[..., MLP | DescribedNetwork]] = {
    "mlp": mlp,
    "linear": linear,
    "residual_mlp": residual_mlp,
    "convnet": convnet,
}


def parse(text: str) -> MLP | DescribedNetwork:
    """Read ``"mlp(128, 64)"``, ``"mlp(64, activation='tanh')"``, ``"convnet(16, 32)"`` ...; nothing is evaluated."""
    problem = (
        f"cannot read the network {shortened(text)}; write it as 'mlp(128, 64)', "
        f"\"mlp(64, activation='tanh')\", 'linear()', "
        f"'residual_mlp(64, 3)' or 'convnet(16, 32)'"
    )
    try:
        call = ast.parse(text.strip(), mode="eval").body
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            raise InputError(problem)
        build = BY_NAME[call.func.id]
        arguments = [ast.literal_eval(each) for each in call.args]
        options = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
        inspect.signature(build).bind(*arguments, **options)
    except (SyntaxError, ValueError, TypeError, KeyError, RecursionError, MemoryError) as error:
        raise InputError(problem) from error
    if len(options) < len(call.keywords):  # one was given twice
        raise InputError(problem)
    return build(*arguments, **options)


def format_network(name: str, sizes: tuple[int, ...], activation: str) -> str:
    """The text that :func:`parse` reads back."""
    options = [] if activation == "relu" else [f"activation={activation!r}"]
    return f"{name}({', '.join([*map(str, sizes), *options])})"


def check_whole(what: str, numbers: tuple[int, ...]) -> None:
    """Raise ``ValueError`` for the first that cannot be a size."""
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise InputError(f"{what} must be whole numbers of at least 1, got {number!r}")


def check_depth(network: str, layers: int) -> None:
    """Raise ``ValueError`` for more layers than a description may have."""
    if layers > MOST_LAYERS:
        raise InputError(f"{network}: at most {MOST_LAYERS:,} layers with weights, got {layers:,}; take fewer")


def check_activation(network: str, activation: str) -> None:
    """Raise ``ValueError`` for an activation that is not known."""
    if activation not in tuple(ACTIVATIONS):  # of a tuple one may ask with anything, a list too
        raise InputError(f"{network}: activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}")
