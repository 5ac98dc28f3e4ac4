"""Records a model's last training pass, for penalties on it and for second passes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn

from bridle.attaching.checkpointed_penalties import DeferredPenalty
from bridle.attaching.noise import SeedNoise, TorchNoise
from bridle.places import ActivityLoss
from bridle.places.activation_checkpointing import as_first, is_rerun
from bridle.places.matrices import at_least_float32
from bridle.places.module import FormulaModule, full_precision, subject_of

__all__ = ["ActivityPenaltyModule", "PassRecorder", "frozen_buffers"]


class PassRecorder:
    """The record of a model's last training pass: its noise and, if needed, its input, output and penalties.

    A copy of the model has a recorder of its own, as its hooks are copied: it must not refer to optimizer or loop.
    """

    def __init__(self, noise: TorchNoise | SeedNoise, *, keeps_output: bool, keeps_marks: bool) -> None:
        self.noise, self.keeps_output = noise, keeps_output
        self.keeps_marks = keeps_marks  # whether passes are run again under the noise of the first
        self.hooked = False  # whether the model's hooks call it
        self.in_second_pass = False  # whether a second pass runs, of which nothing is noted
        self.in_repeated_pass = False  # whether the pass is run once more, under the noise of the first
        self.batch_begun = False  # whether the batch of the next pass has begun already
        self.mark: Any = None  # of the noise with which the last pass began
        self.autocast: tuple[str, torch.dtype, bool] = ("cpu", torch.bfloat16, False)
        self.forget()

    def register(self, model: nn.Module, undo: ExitStack) -> None:
        """Register both hooks with the model."""
        undo.callback(model.register_forward_pre_hook(self.pre_forward, with_kwargs=True).remove)
        undo.callback(model.register_forward_hook(self.post_forward, with_kwargs=True).remove)
        self.hooked = True

    def forget(self) -> None:
        """Drop the record, which holds the pass's graph."""
        self.args: tuple[Any, ...] = ()
        self.kwargs: dict[str, Any] = {}
        self.output: object = None
        self.penalties: list[Tensor] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)(copy.deepcopy(self.noise, memo), keeps_output=self.keeps_output, keeps_marks=self.keeps_marks)

    def pre_forward(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Start the record of a training pass: a forward pre-hook."""
        if not model.training or self.in_second_pass or is_rerun():
            return
        if not self.in_repeated_pass:
            self.next_batch()
            self.batch_begun = False
        self.forget()
        if self.keeps_marks:
            self.mark = self.noise.mark()
        self.autocast = autocast_now(model)

    def post_forward(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        """Record input and output of a training pass: a forward hook."""
        if model.training and not self.in_second_pass and self.keeps_output and not is_rerun():
            self.args, self.kwargs, self.output = args, kwargs, output

    def begin_batch(self) -> None:
        """Draw new noise for a batch before its pass, which then begins no other."""
        self.noise.next_batch()
        self.batch_begun = self.hooked

    def next_batch(self) -> None:
        """Draw new noise for the next batch, unless it has begun already."""
        if not self.batch_begun:
            self.noise.next_batch()

    @contextmanager
    def second_pass(self, model: nn.Module, mark: Any = None) -> Iterator[None]:
        """Run second passes within the context: unrecorded, with frozen buffers and the autocast of the first.

        Their noise is that of the mark; without a mark it is new.
        """
        now = autocast_now(model)
        kind, dtype, enabled = now if now[2] else self.autocast
        noise = self.noise.fresh() if mark is None else self.noise.replay(mark)
        before, self.in_second_pass = self.in_second_pass, True
        try:
            with frozen_buffers(model), noise, torch.autocast(kind, dtype, enabled):
                yield
        finally:
            self.in_second_pass = before

    @contextmanager
    def repeat_pass(self, model: nn.Module) -> Iterator[None]:
        """Repeat the last pass within the context: recorded, with frozen buffers and the same noise."""
        mark: Any = self.noise.mark() if self.mark is None else self.mark
        before, self.in_repeated_pass = self.in_repeated_pass, True
        try:
            with frozen_buffers(model), self.noise.replay(mark):
                yield
        finally:
            self.in_repeated_pass = before


class ActivityPenaltyModule(FormulaModule):
    """Records the penalty on the activations that pass through it."""

    def __init__(self, unit: ActivityLoss, where: tuple[str, ...], recorder: PassRecorder, *, last: bool) -> None:
        super().__init__(unit, where)
        self.recorder, self.last = recorder, last

    def forward(self, h: Tensor) -> Tensor:
        """Return the activations, and record the penalty."""
        if not self.training:
            return h
        recorded, has_graph = not self.recorder.in_second_pass, torch.is_grad_enabled()
        penalty = as_first(self, DeferredPenalty(recorded=recorded, has_graph=has_graph))
        if not penalty.recorded:
            return h
        flat, _ = subject_of(h, maps=False, last=self.last)
        with full_precision(h):
            cost = type(self.unit).torch(flat.to(at_least_float32(h.dtype)), **self.knobs)
        if is_rerun():
            return penalty.charge_to(h, cost)
        self.recorder.penalties.append(penalty.for_loss(cost))
        return h


def autocast_now(model: nn.Module) -> tuple[str, torch.dtype, bool]:
    """Return device type, dtype and state of autocast on the model's device."""
    kind = next(model.parameters()).device.type
    return kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind)


@contextmanager
def frozen_buffers(model: nn.Module) -> Iterator[None]:
    """Let the model write to copies of its buffers within the context, running statistics among them.

    The buffers themselves must not be written to, not even to be restored: the first pass's graph may hold them.
    """
    buffers_of = [(part, dict(part._buffers)) for part in model.modules() if part._buffers]
    copies: dict[int, Tensor] = {}
    for part, buffers in buffers_of:
        for name, buffer in buffers.items():
            if buffer is not None:
                part._buffers[name] = copies.setdefault(id(buffer), buffer.clone())
    try:
        yield
    finally:
        for part, buffers in buffers_of:
            part._buffers.update(buffers)
