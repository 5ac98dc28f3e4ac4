"""A part of a model with layers beside it: where it stands, and how they are put there."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from bridle.attaching.layers import unused

AMONG, AROUND, WITHIN = "a step of the sequence", "in a sequence with the part", "in one module with its weight"


def places_of(model: nn.Module, part: nn.Module) -> list[tuple[nn.Module, str]]:
    """Where in the model a part is: within whom, and under which name."""
    return [(host, name) for host in model.modules() for name, child in host._modules.items() if child is part]


def among(host: nn.Module, name: str, left: Sequence[tuple[str, nn.Module]], *, in_front: bool) -> None:
    """Put layers before or behind a step of a sequence; the steps that there were keep their names."""
    new = {unused(host, f"{name}_{kind}"): layer for kind, layer in left}
    steps = dict(host._modules)
    host._modules.clear()
    for each, module in steps.items():
        if each == name and in_front:
            host._modules.update(new)
        host._modules[each] = module
        if each == name and not in_front:
            host._modules.update(new)


def go_slowly(model: nn.Module, layer: nn.TransformerEncoderLayer) -> None:
    """Let a layer of torch's encoder call its parts: its fast path reads their weights, past norms beside them."""
    layer.activation_relu_or_gelu = 0
    for encoder in model.modules():
        if isinstance(encoder, nn.TransformerEncoder) and layer in encoder.layers:
            encoder.use_nested_tensor = False


class Sine(nn.Module):
    """A layer that nothing behind it takes out again, as a norm does a scale."""

    def forward(self, h: Tensor) -> Tensor:
        """Any shape."""
        return h.sin()


class Replaced:
    """Within, a layer is put beside a part of the model."""

    def __init__(self, model: nn.Module, part: nn.Module, way: str, *, in_front: bool) -> None:
        self.part, self.way, self.in_front = part, way, in_front
        self.before = [(host, name, dict(host._modules)) for host, name in places_of(model, part)]

    def __enter__(self) -> None:
        for host, name, _ in self.before:
            if self.way == AMONG:
                among(host, name, [("sine", Sine())], in_front=self.in_front)
            else:
                host._modules[name] = nn.Sequential(*((Sine(), self.part) if self.in_front else (self.part, Sine())))

    def __exit__(self, *error: object) -> None:
        for host, _, before in self.before:
            host._modules.clear()
            host._modules.update(before)
