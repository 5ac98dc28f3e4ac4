"""Layers and weight layers as ordinary modules, for networks outside of the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from bridle.errors import InputError
from bridle.places.activation_checkpointing import as_first, is_rerun
from bridle.places.base import Placed
from bridle.places.forward import ForwardRegularizer
from bridle.places.matrices import as_matrix, as_number, as_stored, at_least_float32, begin
from bridle.places.noise import Draw
from bridle.schedules import LAST, PerLayer, Schedule

__all__ = [
    "Drawer",
    "FormulaModule",
    "LayerModule",
    "WeightModule",
    "as_maps",
    "as_units",
    "drawn",
    "from_torch",
    "full_precision",
    "is_scheduled",
    "map_size",
    "subject_of",
]

Drawer = Callable[[Sequence[Draw], int, Tensor], list[Tensor]]  # what is declared, its first stream, the subject


def drawn(draw: Draw, subject: Tensor) -> Tensor:
    """Draw noise for a subject from torch's own generator."""
    shape = draw.shape(tuple(subject.shape))
    make = torch.rand if draw.kind == "uniform" else torch.randn
    return make(shape, device=subject.device, dtype=at_least_float32(subject.dtype))


def from_torch(draws: Sequence[Draw], stream_id: int, subject: Tensor) -> list[Tensor]:
    """Draw all noise for a subject from torch's own generator."""
    del stream_id  # torch's generator has one stream for all
    return [drawn(draw, subject) for draw in draws]


class FormulaModule(nn.Module):
    """A regularizer at one site of a network, with its knobs at the current step of the training.

    Those on a schedule are tensors: a compiled network takes in their new values without being compiled again.
    """

    stores_the_weight = True  # for the audit: where it makes a weight, what it makes it of is what penalties are for

    def __init__(
        self, unit: Placed, where: tuple[str, ...] = (), draw: Drawer = from_torch, stream_id: int = 0
    ) -> None:
        super().__init__()
        self.unit, self.where, self.draw, self.stream_id = unit, where, draw, stream_id
        self.constants = unit.keywords(*where, passed=LAST)  # as they are once training is over
        self.moving = tuple(name for name in self.constants if is_scheduled(getattr(unit, name), where))
        for name in self.moving:
            self.register_buffer(f"knob_{name}", torch.tensor(self.constants.pop(name)), persistent=False)

    @property
    def knobs(self) -> dict[str, Any]:
        """The knobs as the formula takes them."""
        return {**self.constants, **{name: getattr(self, f"knob_{name}") for name in self.moving}}

    @torch.no_grad()
    def at(self, passed: float) -> None:
        """Set the knobs to their values after this share of the training."""
        if self.moving:
            numbers = self.unit.numbers(*self.where, passed=passed)
            for name in self.moving:
                getattr(self, f"knob_{name}").fill_(numbers[name])

    def extra_repr(self) -> str:
        """Return the regularizer as it is written in a recipe."""
        return repr(self.unit)


class LayerModule(FormulaModule):
    """A layer's formula with its parameters and state, drawing its noise from torch's generator or with ``draw``.

    Takes (batch, units) and (batch, channels, ...); with ``last`` the units are on the last axis, wherever the
    positions are. Parameters and buffers have one value per unit. Computes in float32 or better and returns the type
    that it was given. ``measuring`` is for running statistics: evaluation, but the state becomes that of the batch.
    """

    def __init__(
        self,
        layer: ForwardRegularizer,
        units: int,
        where: tuple[str, ...] = (),
        draw: Drawer = from_torch,
        stream_id: int = 0,
        *,
        last: bool = False,
    ) -> None:
        super().__init__(layer, where, draw, stream_id)
        self.layer, self.last, self.measuring = layer, last, False
        for name, start in layer.parameters.items():
            self.register_parameter(name, nn.Parameter(torch.full((units,), as_number(start))))
        for name, start in layer.state._asdict().items():
            self.register_buffer(name, torch.full((units,), as_number(start)))

    def forward(self, h: Tensor) -> Tensor:
        """Apply the formula while training (state moves on), its evaluation form otherwise."""
        seen, restore = subject_of(h, maps=self.layer.maps, last=self.last)
        with full_precision(h):
            out = self.through(seen.to(at_least_float32(h.dtype)))
        return restore(out.to(h.dtype))

    def through(self, h: Tensor) -> Tensor:
        """(batch, units) or (batch, channels, height, width) -> the same."""
        layer, knobs = self.layer, self.knobs
        parameters, state = self.values(layer.parameters), self.values(layer.state._fields)
        measuring = self.measuring and bool(state)
        if not (self.training or measuring):
            evaluated: Tensor = layer.call_evaluate(h, parameters, state, knobs)
            return evaluated
        if measuring:
            knobs = layer.reestimating(knobs)
        noise = self.draw(layer.noise, self.stream_id, h) if layer.noise else []
        out, new = layer.call_torch(h, noise, parameters, [each.clone() for each in state], knobs)
        if not is_rerun():
            self.move(new)
        return out

    @torch.no_grad()
    def move(self, new: Sequence[Tensor]) -> None:
        """Replace the state."""
        for name, value in zip(self.layer.state._fields, new, strict=True):
            getattr(self, name).copy_(value.reshape(-1))

    @property
    def is_random(self) -> bool:
        """True where it draws noise in training mode; the audit asks."""
        return bool(self.layer.noise)

    @property
    def tracks_statistics(self) -> bool:
        """True where it keeps running statistics; the audit asks."""
        return bool(self.layer.state)

    def values(self, names: Iterable[str]) -> list[Tensor]:
        """Parameters or state in the shape in which the formula takes them."""
        shape = (-1, 1, 1) if self.layer.maps else (-1,)
        return [getattr(self, name).view(shape) for name in names]


class WeightModule(FormulaModule):
    """The formula of a weight layer, for ``torch.nn.utils.parametrize``: it makes the weight that acts of a stored one.

    ``w`` is the weight as it begins, of any shape with the outputs first; ``transposed``: see :func:`as_matrix`.
    """

    def __init__(
        self,
        layer: ForwardRegularizer,
        w: Tensor,
        where: tuple[str, ...] = (),
        draw: Drawer = from_torch,
        stream_id: int = 0,
        *,
        transposed: int = 0,
    ) -> None:
        super().__init__(layer, where, draw, stream_id)
        self.layer, self.transposed = layer, transposed
        matrix = as_matrix(w.detach(), transposed=transposed).to(at_least_float32(w.dtype))
        for name, start in layer.parameters.items():
            self.register_parameter(name, nn.Parameter(begin(start, matrix)))
        for name, start in layer.state._asdict().items():
            self.register_buffer(name, begin(start, matrix))

    def forward(self, w: Tensor) -> Tensor:
        """Return the weight as it acts while training (state moves on), or in evaluation."""
        matrix = as_matrix(w, transposed=self.transposed)
        with full_precision(w):
            acting = self.through(matrix.to(at_least_float32(w.dtype))).to(w.dtype)
        whole: Tensor = as_stored(acting, w, transposed=self.transposed)
        return whole

    def through(self, matrix: Tensor) -> Tensor:
        """(outputs, inputs, positions) -> the same."""
        layer, knobs = self.layer, self.knobs
        parameters = [getattr(self, name) for name in layer.parameters]
        state = [getattr(self, name) for name in layer.state._fields]
        if not self.training:
            evaluated: Tensor = layer.call_evaluate(matrix, parameters, state, knobs)
            return evaluated
        noise = self.draw(layer.noise, self.stream_id, matrix) if layer.noise else []
        begun = as_first(self, [each.clone() for each in state]) if state else []
        out, new = layer.call_torch(matrix, noise, parameters, [each.clone() for each in begun], knobs)
        if not is_rerun():
            self.move(new)
        return out

    @torch.no_grad()
    def move(self, new: Sequence[Tensor]) -> None:
        """Replace the state."""
        for name, value in zip(self.layer.state._fields, new, strict=True):
            getattr(self, name).copy_(value)


def is_scheduled(value: object, where: tuple[str, ...]) -> bool:
    """Return True where the value of a knob changes over the training at the site with these names."""
    return isinstance(value.lookup(where) if isinstance(value, PerLayer) else value, Schedule)


def full_precision(subject: Tensor) -> AbstractContextManager[None]:
    """Within, automatic mixed precision leaves the formula's own products alone."""
    kind = subject.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


def subject_of(h: Tensor, *, maps: bool, last: bool = False) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Activations as a formula takes them, (batch, units) or (batch, channels, height, width), and the way back."""
    if not last or h.ndim == 2:
        return as_maps(h) if maps else as_units(h)
    seen, restore = subject_of(h.movedim(-1, 1), maps=maps)
    return seen, lambda out: restore(out).movedim(1, -1)


def as_units(h: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """(batch, channels, ...) -> (batch and positions, channels), and the way back; (batch, units) stays."""
    if h.ndim == 2:
        return h, lambda flat: flat
    last = h.movedim(1, -1)
    return last.reshape(-1, last.shape[-1]), lambda flat: flat.view(last.shape).movedim(-1, 1)


def as_maps(h: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """(batch, channels, ...) -> (batch, channels, height, width), and the way back."""
    height, width = map_size(h.shape[2:])
    return h.reshape(*h.shape[:2], height, width), lambda maps: maps.reshape(h.shape)


def map_size(positions: Sequence[int]) -> tuple[int, int]:
    """Height and width of the positions of one row: none, a sequence, an image."""
    if len(positions) > 2:
        raise InputError(f"activations must be plain, sequences or images, got {len(positions)} axes of positions")
    height, width = (1, 1, *positions)[-2:]
    return height, width
