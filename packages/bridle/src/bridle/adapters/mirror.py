"""The weights of a Keras model as torch lays them out, so that a recipe can be attached to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import torch
from keras import layers
from torch import Tensor, nn

from bridle.acting import Parameter, describe, selected
from bridle.attaching.layers import unused_name
from bridle.attaching.noise import TorchNoise
from bridle.errors import InputError
from bridle.recipe import Recipe

# The axes of Keras's weights in the order that torch has: outputs, inputs, positions.
LAYOUTS: dict[type, tuple[int, ...]] = {
    layers.Dense: (1, 0),
    layers.Conv1D: (2, 1, 0),
    layers.Conv2D: (3, 2, 0, 1),
    layers.Conv3D: (4, 3, 0, 1, 2),
    layers.Conv1DTranspose: (1, 2, 0),
    layers.Conv2DTranspose: (2, 3, 0, 1),
    layers.Conv3DTranspose: (3, 4, 0, 1, 2),
    layers.SimpleRNNCell: (1, 0),
    layers.LSTMCell: (1, 0),
    layers.GRUCell: (1, 0),
    layers.Embedding: (0, 1),
}


class Mirror(nn.Module):
    """A module of views of a Keras model's weights (parameters) and statistics (buffers); called, it is the model.

    Its parts have the paths and the types of the model's layers, its parameters the names that Keras gave them.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.run = partial(model, training=True)
        self.shown: Any = None  # outputs that the model has given already
        self.views: dict[int, tuple[nn.Parameter, tuple[int, ...]]] = {}  # by the ids of variables, with their axes
        self.described: list[Parameter] = []
        self.strange: set[str] = set()  # parameters whose axes could be anything
        self.statistics: list[Tensor] = []
        for layer in model._flatten_layers():
            if layer._trainable_variables or layer._non_trainable_variables:
                part = type(type(layer).__name__, (nn.Module,), {})()
                self.add_module(layer.path.replace(".", "_"), part)
                self.take_in(layer, part)
        self.seeds = seeds_of(model)
        self.generators = TorchNoise(list({each.device: None for each in self.parameters()}))

    def take_in(self, layer: Any, part: nn.Module) -> None:
        """Make parameters of what is trained in a layer, and buffers of its statistics."""
        axes = next((LAYOUTS[kind] for kind in type(layer).__mro__ if kind in LAYOUTS), ())
        for variable in layer._trainable_variables:
            value = variable.value.detach()
            known = len(axes) == value.ndim
            order = axes if known else tuple(range(value.ndim))
            if variable.trainable:
                name = unused_name(part, variable.name.replace(".", "_"))
                self.views[id(variable)] = nn.Parameter(value.permute(order)), order
                part.register_parameter(name, self.views[id(variable)][0])
                own = self.views[id(variable)][0]
                seen = describe({"": part}, name, own)
                name = f"{layer.path.replace('.', '_')}.{name}"
                self.described.append(seen._replace(name=name))
                if seen.axes > 1 and not known:
                    self.strange.add(name)
        for variable in layer._non_trainable_variables:
            if variable.value.is_floating_point():
                self.statistics.append(variable.value.detach())
                part.register_buffer(unused_name(part, variable.name.replace(".", "_")), self.statistics[-1])

    def check(self, recipe: Recipe) -> None:
        """Raise ``ValueError`` for what must know outputs from inputs in a weight whose axes could be anything."""
        for unit in recipe:
            if getattr(unit, "matrix", False) or "fan_in" in getattr(unit, "extra_inputs", ()):
                for each in selected(unit, self.described):
                    if each.name in self.strange:
                        raise InputError(
                            f"{unit!r} tells the outputs of a weight from its inputs, and of {each.name} it is not "
                            f"known which axes are which; choose others by on="
                        )

    def forward(self, x: Any) -> Any:
        """What the model has given; or gives in a second pass, which moves no statistics. Images are as in torch."""
        if self.shown is not None:
            return self.shown
        kept = [each.clone() for each in self.statistics]
        try:
            return self.run(as_keras(x))
        finally:
            for statistic, value in zip(self.statistics, kept, strict=True):
                statistic.copy_(value)

    def mark(self) -> tuple[list[Tensor], list[Tensor]]:
        """Where the noise of the model's layers stands: some draw from generators of their own, some from torch's."""
        return [each.value.clone() for each in self.seeds], self.generators.mark()

    def rewind(self, seeds: list[Tensor], generators: list[Tensor] | None = None) -> None:
        """Let the noise be that which came after a mark; of torch's generators only where they are given."""
        for seed, value in zip(self.seeds, seeds, strict=True):
            seed.assign(value)
        if generators is not None:
            self.generators.go_to(generators)

    @contextmanager
    def showing(self, outputs: Any) -> Iterator[None]:
        """Within, the mirror gives these outputs."""
        self.shown = outputs
        try:
            yield
        finally:
            self.shown = None

    def put_gradient(self, variable: Any, gradient: Tensor | None) -> None:
        """Take the gradient of a variable."""
        parameter, axes = self.views[id(variable)]
        parameter.grad = None if gradient is None else gradient.permute(axes)

    def gradient(self, variable: Any) -> Tensor | None:
        """The gradient of a variable, as the recipe has left it."""
        parameter, axes = self.views[id(variable)]
        inverse = sorted(range(len(axes)), key=axes.__getitem__)
        return None if parameter.grad is None else parameter.grad.permute(inverse)


class Update(torch.optim.Optimizer):
    """An optimizer for the mirror whose step is that of Keras's."""

    def __init__(self, mirror: Mirror) -> None:
        super().__init__(mirror.parameters(), {"lr": 0.0})
        self.own: Callable[[], None]

    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # nobody gives it one
        """Keras's own."""
        self.own()


def seeds_of(model: Any) -> list[Any]:
    """The states of the generators that the model's layers have of their own."""
    return [each.state for layer in model._flatten_layers() for each in getattr(layer, "_seed_generators", [])]


def has_maps(x: Any) -> bool:
    """Whether a batch is of images which Keras has with the channels on the last axis."""
    return isinstance(x, Tensor) and x.ndim == 4 and keras.config.image_data_format() == "channels_last"


def as_torch(x: Any) -> Any:
    """A batch as torch lays images out, the channels first."""
    return x.movedim(-1, 1) if has_maps(x) else x


def as_keras(x: Any) -> Any:
    """A batch as Keras does, from torch's."""
    return x.movedim(1, -1) if has_maps(x) else x
