"""Views of a Keras model and its optimizer as torch's, so that a recipe can be attached to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import torch
from keras import layers
from torch import Tensor, nn

from bridle.attaching.layers import unused_name
from bridle.attaching.noise import TorchNoise
from bridle.errors import InputError
from bridle.parameter_selection import Parameter, matching_parameters, parameter_description
from bridle.recipe import Recipe

__all__ = ["ModelView", "OptimizerView", "seed_states", "to_keras_layout", "to_torch_layout"]

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


class ModelView(nn.Module):
    """A module of views of a Keras model's weights (parameters) and statistics (buffers); called, it is the model.

    Its parts have the paths and the types of the model's layers, its parameters the names that Keras gave them.
    """

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self.run = partial(model, training=True)
        self.outputs: Tensor | None = None  # of the pass that the model has made itself
        self.views: dict[int, tuple[nn.Parameter, tuple[int, ...]]] = {}  # by the ids of variables, with their axes
        self.described: list[Parameter] = []
        self.of_unknown_layout: set[str] = set()  # parameters whose axes could be anything
        self.statistics: list[Tensor] = []
        for layer in model._flatten_layers():
            if layer._trainable_variables or layer._non_trainable_variables:
                part = type(type(layer).__name__, (nn.Module,), {})()
                self.add_module(layer.path.replace(".", "_"), part)
                self.add_parameters(layer, part)
                self.add_statistics(layer, part)
        self.seeds = seed_states(model)
        self.generators = TorchNoise(list({each.device: None for each in self.parameters()}))

    def add_parameters(self, layer: layers.Layer, part: nn.Module) -> None:
        """Register the trainable weights of a layer as parameters of a part."""
        axes = next((LAYOUTS[kind] for kind in type(layer).__mro__ if kind in LAYOUTS), ())
        for variable in layer._trainable_variables:
            if not variable.trainable:
                continue
            value = variable.value.detach()
            known = len(axes) == value.ndim
            order = axes if known else tuple(range(value.ndim))
            parameter = nn.Parameter(value.permute(order))
            self.views[id(variable)] = parameter, order
            name = unused_name(part, variable.name.replace(".", "_"))
            part.register_parameter(name, parameter)
            described = parameter_description({"": part}, name, parameter)
            name = f"{layer.path.replace('.', '_')}.{name}"
            self.described.append(described._replace(name=name))
            if described.axes > 1 and not known:
                self.of_unknown_layout.add(name)

    def add_statistics(self, layer: layers.Layer, part: nn.Module) -> None:
        """Register the statistics of a layer as buffers of a part."""
        for variable in layer._non_trainable_variables:
            if variable.value.is_floating_point():
                self.statistics.append(variable.value.detach())
                part.register_buffer(unused_name(part, variable.name.replace(".", "_")), self.statistics[-1])

    def check(self, recipe: Recipe) -> None:
        """Raise ``ValueError`` for a formula that must tell outputs from inputs in a weight of unknown layout."""
        for unit in recipe:
            if unit.matrix or "fan_in" in unit.extra_inputs:
                for each in matching_parameters(unit, self.described):
                    if each.name in self.of_unknown_layout:
                        raise InputError(
                            f"{unit!r} tells the outputs of a weight from its inputs, and of {each.name} it is not "
                            f"known which axes are which; choose others by on="
                        )

    def forward(self, x: Any) -> Any:
        """Return the outputs of the model's own pass, or those of a second pass, in which statistics do not move.

        Images are in torch's layout.
        """
        if self.outputs is not None:
            return self.outputs
        kept = [each.clone() for each in self.statistics]
        try:
            return self.run(to_keras_layout(x))
        finally:
            for statistic, value in zip(self.statistics, kept, strict=True):
                statistic.copy_(value)

    def noise_state(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return the states of the generators that layers draw from: those of their own, and torch's."""
        return [each.value.clone() for each in self.seeds], self.generators.mark()

    def restore_noise(self, seeds: list[Tensor], generators: list[Tensor] | None = None) -> None:
        """Set the generators of layers back to a state, and torch's where theirs is given."""
        for seed, value in zip(self.seeds, seeds, strict=True):
            seed.assign(value)
        if generators is not None:
            self.generators.go_to(generators)

    @contextmanager
    def returning(self, outputs: Tensor) -> Iterator[None]:
        """Return these outputs from ``forward`` within the context, without a pass."""
        self.outputs = outputs
        try:
            yield
        finally:
            self.outputs = None

    def set_gradient(self, variable: keras.Variable, gradient: Tensor | None) -> None:
        """Set the gradient of a variable's view."""
        parameter, axes = self.views[id(variable)]
        parameter.grad = None if gradient is None else gradient.permute(axes)

    def get_gradient(self, variable: keras.Variable) -> Tensor | None:
        """Return the gradient of a variable's view in the layout of the variable."""
        parameter, axes = self.views[id(variable)]
        inverse = sorted(range(len(axes)), key=axes.__getitem__)
        return None if parameter.grad is None else parameter.grad.permute(inverse)


class OptimizerView(torch.optim.Optimizer):
    """An optimizer for the parameters of a view; ``apply_update`` is the step that Keras's optimizer takes."""

    def __init__(self, view: ModelView) -> None:
        super().__init__(view.parameters(), {"lr": 0.0})
        self.apply_update: Callable[[], object]

    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # nobody gives it one
        """Take the step of Keras's optimizer."""
        self.apply_update()


def seed_states(model: keras.Model) -> list[keras.Variable]:
    """Return the states of the generators that the model's layers have of their own."""
    return [each.state for layer in model._flatten_layers() for each in getattr(layer, "_seed_generators", [])]


def to_torch_layout(x: Any) -> Any:
    """Return a batch in torch's layout, images with the channels first."""
    return x.movedim(-1, 1) if is_channels_last(x) else x


def to_keras_layout(x: Any) -> Any:
    """Return a batch in Keras's layout from torch's."""
    return x.movedim(1, -1) if is_channels_last(x) else x


def is_channels_last(x: object) -> bool:
    """Return True if a batch is of images, which Keras has with the channels on the last axis."""
    return isinstance(x, Tensor) and x.ndim == 4 and keras.config.image_data_format() == "channels_last"
