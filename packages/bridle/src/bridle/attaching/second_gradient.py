"""The second gradient of a step, for SAM and ASAM: at the point to which the first leads, and in its place."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from bridle.attaching.acts import length
from bridle.attaching.assembly import Assembly
from bridle.attaching.grad_scaler import check_alike, check_taker, check_told, is_active, scale_of
from bridle.attaching.groups import held_by
from bridle.attaching.history import History
from bridle.attaching.lines import PENALTY, Lines
from bridle.attaching.targets import Target
from bridle.errors import StateError


class SecondGradient:
    """Takes the second gradient of each step, if the recipe has an ascent, and sees to it that it is right.

    ``has_penalties`` tells whether the gradients hold those of the penalties on weights already.
    """

    def __init__(self, parts: Assembly, lines: Lines) -> None:
        self.parts, self.lines, self.history = parts, lines, History()
        self.has_penalties = False
        self.scaler: Any = None  # which has scaled the gradients of the ascent
        self.scaled_alike = False  # whether the closure has scaled them by itself
        self.compared = False  # whether the lengths of both gradients were compared
        self.follow(parts.targets)

    def follow(self, targets: Iterable[Target]) -> None:
        """Hear of the gradients of parameters."""
        for each in targets if self.parts.climbs else ():
            self.parts.undo.callback(self.history.follow(each.parameter).remove)

    def take(self, closure: Callable[[], Any], scaler: Any) -> None:
        """Replace the gradients by those at the point of the ascent; ``RuntimeError`` where they are no first ones."""
        parts, scaler = self.parts, scaler if is_active(scaler) else None
        scale = scale_of(scaler, parts.optimizer)
        self.check_pass()
        self.history.check_ascent(held_by(parts.optimizer))
        parts.add_penalties(scale)
        with ExitStack() as climb:
            climb.callback(setattr, self.history, "resting", False)
            self.history.resting = True
            if all([climb.enter_context(each.climbed(parts.moment, scaler, scale)) for each in parts.climbs]):
                first = None if self.compared else self.length()
                loss = self.run(closure, scaler)
                self.compare(first, scaler, scale)
                self.scaled_alike = not (isinstance(loss, Tensor) or parts.penalties)
                parts.add_penalties(scale)
        self.scaler, self.has_penalties = scaler, True
        self.history.ascended(held_by(parts.optimizer))

    def check_pass(self) -> None:
        """Raise ``RuntimeError`` where no pass was seen whose noise the second one could see again."""
        tape = self.parts.tape
        if tape.mark is None and tape.marks and self.parts.model.training:
            raise StateError(
                "handle.ascend repeats the last training pass, and none was seen: call model(x), not model.forward(x), "
                "of the model that the recipe is attached to"
            )

    def run(self, closure: Callable[[], Any], scaler: Any) -> Any:
        """The gradients where the weights stand now, in place of those that are there; returns the closure's result."""
        model = self.parts.model
        model.zero_grad()
        self.parts.optimizer.zero_grad()
        torch.clear_autocast_cache()  # of the weights as they were
        self.lines.called.discard(PENALTY)
        with self.parts.tape.repeat(model), torch.enable_grad():
            loss = closure()
            if isinstance(loss, Tensor):
                (loss if scaler is None else scaler.scale(loss)).backward()
        if PENALTY in self.lines.needed - self.lines.called:
            raise StateError(
                "the recipe has penalties on activations or outputs, which count in the second gradient, too: "
                "handle.ascend(lambda: criterion(model(x), y) + handle.penalty())"
            )
        return loss

    def length(self) -> float:
        """The length of all gradients together."""
        gradients = (each.grad for each in held_by(self.parts.optimizer) if each.grad is not None)
        return float(length([each.coalesce().values() if each.is_sparse else each for each in gradients]))

    def compare(self, first: float | None, scaler: Any, scale: float) -> None:
        """Look, once, whether the lengths of both gradients are those of losses that were scaled alike."""
        if first is None:
            return
        second = self.length()
        if scaler is None:
            check_told(first, second)
        else:
            check_alike(first, second, scale)
        self.compared = math.isfinite(first) and math.isfinite(second)

    def settle(self) -> None:
        """Small batches became one, and what was done to their gradients is no change of the user's."""
        self.history.settled(held_by(self.parts.optimizer))

    def check_step(self) -> None:
        """Before a step: raise ``RuntimeError`` where its gradients are not the second ones, scaled as they were."""
        if self.parts.climbs:
            self.history.check_step()
            check_taker(self.scaler, self.parts.optimizer, scaled_alike=self.scaled_alike)

    def stepped(self) -> None:
        """The optimizer has taken its step."""
        self.has_penalties = False
        if self.parts.climbs:
            self.history.stepped(held_by(self.parts.optimizer))
            self.parts.tape.mark = None
