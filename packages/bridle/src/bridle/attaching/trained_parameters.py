"""The user's trained parameters, and the averaged buffers, as regularizers see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from torch import Tensor, nn

from bridle.attaching.model_layout import transposed_groups
from bridle.parameter_selection import Parameter, parameter_description
from bridle.places.matrices import as_matrix, as_stored, at_least_float32
from bridle_audit.parameter_kinds import layer_name

__all__ = [
    "AveragedBuffer",
    "AveragedTensor",
    "ModelParameter",
    "TrainedParameter",
    "averaged_buffers",
    "describe_parameter",
    "padding_preserved",
    "widened",
]


@dataclass(frozen=True, eq=False)
class TrainedParameter:
    """A parameter that requires a gradient and is in the optimizer; one that several layers share is one."""

    described: Parameter
    parameter: nn.Parameter
    group: int  # of the optimizer
    transposed: int = 0  # the groups whose outputs are on the second axis; 0 where all outputs are on the first
    padding: int | None = None  # the row of an embedding that is no word, and rests

    @property
    def name(self) -> str:
        """Return its name in the model before attach."""
        return self.described.name

    @property
    def stored(self) -> Tensor:
        """Return the tensor that the model has registered."""
        return self.parameter

    @property
    def tensor(self) -> Tensor:
        """Return its value, without a graph."""
        return self.parameter.detach()

    @property
    def wide(self) -> Tensor:
        """Return its value in float32 or better, as squares would overflow in less."""
        return widened(self.tensor)

    def subject(self, tensor: Tensor, *, matrix: bool) -> Tensor:
        """Return a tensor of its shape as a formula takes it: as it is, or (outputs, inputs, positions)."""
        return as_matrix(tensor, transposed=self.transposed) if matrix else tensor

    def change(self, tensor: Tensor, *, matrix: bool, formula: Callable[[Tensor], Any]) -> Any:
        """Let a formula write into a tensor of its shape, its value or gradient; return the formula's result.

        The formula gets float32 or better, and its result is rounded once.
        """
        subject = self.subject(widened(tensor), matrix=matrix)
        result = formula(subject)
        if subject.data_ptr() != tensor.data_ptr():  # there was no view of it in this shape or type
            tensor.copy_(as_stored(subject, tensor, transposed=self.transposed))
        return result

    @cached_property
    def fan_in(self) -> float:
        """Return the number of inputs of one unit."""
        return float(self.subject(self.tensor, matrix=True)[0].numel())


class ModelParameter(NamedTuple):
    """A parameter whose group in the optimizer is not known yet."""

    described: Parameter
    parameter: nn.Parameter
    transposed: int = 0
    padding: int | None = None

    def in_group(self, group: int) -> TrainedParameter:
        """Return the parameter with its group."""
        return TrainedParameter(self.described, self.parameter, group, self.transposed, self.padding)


def describe_parameter(
    modules: Mapping[str, nn.Module], name: str, parameter: nn.Parameter, padding: Mapping[int, int]
) -> ModelParameter:
    """Describe a parameter of a model; ``padding`` has the ``padding_idx`` of embeddings."""
    transposed = transposed_groups(modules[layer_name(modules, name)]) if parameter.ndim > 1 else 0
    return ModelParameter(
        parameter_description(modules, name, parameter), parameter, transposed, padding.get(id(parameter))
    )


@dataclass(frozen=True, eq=False)
class AveragedBuffer:
    """A floating-point buffer, such as a running mean, that is averaged; looked up by name, as it may be replaced."""

    described: Parameter
    part: nn.Module
    kind: str
    group: int = 0

    @property
    def name(self) -> str:
        """Return its name in the model."""
        return self.described.name

    @property
    def stored(self) -> Tensor:
        """Return the tensor that the model has registered."""
        found = self.part._buffers[self.kind]
        assert found is not None
        return found

    @property
    def tensor(self) -> Tensor:
        """Return its value."""
        return self.stored


AveragedTensor = TrainedParameter | AveragedBuffer


def averaged_buffers(model: nn.Module) -> list[AveragedBuffer]:
    """Return the model's persistent floating-point buffers, the recipe's running statistics among them."""
    found: dict[int, AveragedBuffer] = {}
    for whose, part in model.named_modules():
        for kind, buffer in part._buffers.items():
            if buffer is not None and buffer.is_floating_point() and kind not in part._non_persistent_buffers_set:
                name = f"{whose}.{kind}" if whose else kind
                found.setdefault(id(buffer), AveragedBuffer(Parameter(name, buffer.ndim), part, kind))
    return list(found.values())


def widened(tensor: Tensor) -> Tensor:
    """Return a tensor in float32 or better; itself, if it is."""
    return tensor.to(at_least_float32(tensor.dtype))


@contextmanager
def padding_preserved(parameters: Sequence[TrainedParameter], tensors: Sequence[Tensor]) -> Iterator[None]:
    """Restore the padding rows of embeddings after the context."""
    pairs = zip(parameters, tensors, strict=True)
    kept = [(tensor, each.padding, tensor[each.padding].clone()) for each, tensor in pairs if each.padding is not None]
    yield
    for tensor, row, value in kept:
        tensor[row] = value
