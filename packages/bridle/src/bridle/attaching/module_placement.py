"""Placement of torch modules beside a module of the finished model."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from torch import Tensor, nn

from bridle.attaching.layers import unused_name

__all__ = ["Placement", "TemporaryPlacement", "disable_fast_path", "insert_into_sequence", "parents_of"]


class Placement(Enum):
    """A place for torch modules beside a module of the finished model."""

    STEP = "a step of the sequence that the module is in"
    AROUND = "a sequence with the module, in its place"
    FUSED = "one module with the module's weight, in its place"


def parents_of(model: nn.Module, part: nn.Module) -> list[tuple[nn.Module, str]]:
    """Return the parents of a module, each with the name that the module has there."""
    return [(host, name) for host in model.modules() for name, child in host._modules.items() if child is part]


def insert_into_sequence(
    host: nn.Module, name: str, modules: Sequence[tuple[str, nn.Module]], *, in_front: bool
) -> None:
    """Insert layers before or after a step of a sequence; the other steps keep their names."""
    new = {unused_name(host, f"{name}_{kind}"): layer for kind, layer in modules}
    steps = dict(host._modules)
    host._modules.clear()
    for each, module in steps.items():
        if each == name and in_front:
            host._modules.update(new)
        host._modules[each] = module
        if each == name and not in_front:
            host._modules.update(new)


def disable_fast_path(model: nn.Module, layer: nn.TransformerEncoderLayer) -> None:
    """Turn off the fast path of torch's encoder layer, which reads weights and skips modules beside them."""
    layer.activation_relu_or_gelu = 0
    for encoder in model.modules():
        if isinstance(encoder, nn.TransformerEncoder) and layer in encoder.layers:
            encoder.use_nested_tensor = False


class SineProbe(nn.Module):
    """A sine, which no later layer undoes as a norm undoes a scale."""

    def forward(self, h: Tensor) -> Tensor:
        """Return the sine, of any shape."""
        return h.sin()


class TemporaryPlacement:
    """A context in which a sine stands beside a module of the model."""

    def __init__(self, model: nn.Module, part: nn.Module, placement: Placement, *, in_front: bool) -> None:
        self.part, self.placement, self.in_front = part, placement, in_front
        self.before = [(host, name, dict(host._modules)) for host, name in parents_of(model, part)]

    def __enter__(self) -> None:
        for host, name, _ in self.before:
            if self.placement is Placement.STEP:
                insert_into_sequence(host, name, [("sine", SineProbe())], in_front=self.in_front)
            else:
                host._modules[name] = nn.Sequential(
                    *((SineProbe(), self.part) if self.in_front else (self.part, SineProbe()))
                )

    def __exit__(self, *error: object) -> None:
        for host, _, before in self.before:
            host._modules.clear()
            host._modules.update(before)
