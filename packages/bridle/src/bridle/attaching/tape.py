"""What a model's hooks note of its last training pass, for penalties on what comes out and for second passes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn

from bridle.attaching.checkpointed import Ticket
from bridle.attaching.noise import SeedNoise, TorchNoise
from bridle.places import ActivityLoss
from bridle.places.module import FormulaModule, at_least_float32, full_precision, subject_of
from bridle.places.rerun import as_first, is_rerun


class Tape:
    """The last training pass of a model: its noise, and as far as the recipe needs them its input, output, penalties.

    A copy of the model has a tape of its own, as a copy of its hooks has: it must know nothing of optimizer or loop.
    """

    def __init__(self, noise: TorchNoise | SeedNoise, *, keeps_output: bool, marks: bool) -> None:
        self.noise, self.keeps_output = noise, keeps_output
        self.marks = marks  # whether passes are run again under the noise of the first
        self.hooked = False  # whether the model's hooks call it
        self.again = False  # whether a second pass runs, of which nothing is noted
        self.repeating = False  # whether the pass is run once more, under the noise of the first
        self.begun = False  # whether the batch of the next pass has begun already
        self.mark: Any = None  # of the noise with which the last pass began
        self.autocast: tuple[str, torch.dtype, bool] = ("cpu", torch.bfloat16, False)
        self.forget()

    def forget(self) -> None:
        """Let go of what was noted: it holds the pass's graph."""
        self.args: tuple[Any, ...] = ()
        self.kwargs: dict[str, Any] = {}
        self.output: Any = None
        self.penalties: list[Tensor] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)(copy.deepcopy(self.noise, memo), keeps_output=self.keeps_output, marks=self.marks)

    def before(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The hook before the model's forward."""
        if not model.training or self.again or is_rerun():
            return
        if not self.repeating:
            self.next_batch()
            self.begun = False
        self.forget()
        if self.marks:
            self.mark = self.noise.mark()
        self.autocast = autocast_now(model)

    def behind(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        """The hook behind the model's forward."""
        if model.training and not self.again and self.keeps_output and not is_rerun():
            self.args, self.kwargs, self.output = args, kwargs, output

    def next_batch(self) -> None:
        """Another batch begins, unless it has begun already: noise is drawn anew."""
        if not self.begun:
            self.noise.next_batch()

    @contextmanager
    def second(self, model: nn.Module, mark: Any = None) -> Iterator[None]:
        """Within, passes are second ones: nothing is noted, buffers rest, and the first one's autocast goes on.

        Their noise is that of the mark; without one it is fresh.
        """
        now = autocast_now(model)
        kind, dtype, enabled = now if now[2] else self.autocast
        noise = self.noise.fresh() if mark is None else self.noise.replay(mark)
        was, self.again = self.again, True
        try:
            with resting(model), noise, torch.autocast(kind, dtype, enabled):
                yield
        finally:
            self.again = was

    @contextmanager
    def repeat(self, model: nn.Module) -> Iterator[None]:
        """Within, the last pass is run once more: noted like the first, but buffers rest and the noise is the same."""
        was, self.repeating = self.repeating, True
        try:
            with resting(model), self.noise.replay(self.noise.mark() if self.mark is None else self.mark):
                yield
        finally:
            self.repeating = was


class ActivityTap(FormulaModule):
    """Notes the penalty on the activations that pass."""

    def __init__(self, unit: ActivityLoss, where: tuple[str, ...], tape: Tape, *, last: bool) -> None:
        super().__init__(unit, where)
        self.tape, self.last = tape, last

    def forward(self, h: Tensor) -> Tensor:
        """The activations themselves."""
        if not self.training:
            return h
        ticket = as_first(self, Ticket(noted=not self.tape.again, has_graph=torch.is_grad_enabled()))
        if not ticket.noted:
            return h
        flat, _ = subject_of(h, maps=False, last=self.last)
        with full_precision(h):
            cost = type(self.unit).torch(flat.to(at_least_float32(h.dtype)), **self.knobs)
        if is_rerun():
            return ticket.charge(h, cost)
        self.tape.penalties.append(ticket.issue(cost))
        return h


def autocast_now(model: nn.Module) -> tuple[str, torch.dtype, bool]:
    """The kind of the model's device, and what automatic mixed precision does there."""
    kind = next(model.parameters()).device.type
    return kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind)


@contextmanager
def resting(model: nn.Module) -> Iterator[None]:
    """Within, the model works on copies of its buffers, running statistics among them; its own rest.

    They must not even be written to and put back: the graph of the first pass may hold them.
    """
    own = [(part, dict(part._buffers)) for part in model.modules() if part._buffers]
    copies: dict[int, Tensor] = {}
    for part, buffers in own:
        for name, buffer in buffers.items():
            if buffer is not None:
                part._buffers[name] = copies.setdefault(id(buffer), buffer.clone())
    try:
        yield
    finally:
        for part, buffers in own:
            part._buffers.update(buffers)
