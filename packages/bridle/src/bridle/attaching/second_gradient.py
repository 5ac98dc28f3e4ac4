"""The second gradient of a step for SAM and ASAM, which replaces the first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import ExitStack

import torch
from torch import Tensor

from bridle.attaching.assembly import Assembly
from bridle.attaching.grad_scaler import (
    LossScaler,
    backward,
    check_scaled_lengths,
    check_stepping_scaler,
    check_unscaled_lengths,
    is_active,
    loss_scale_of,
)
from bridle.attaching.gradient_history import GradientHistory
from bridle.attaching.parameter_groups import optimized_parameters
from bridle.attaching.parameter_ops import global_norm
from bridle.attaching.required_calls import PENALTY, RequiredCalls
from bridle.attaching.trained_parameters import TrainedParameter
from bridle.errors import StateError

__all__ = ["SecondGradient"]


class SecondGradient:
    """Takes the second gradient of each step, if the recipe has an ascent, and checks that it is right.

    ``has_penalties``: the gradients include those of the weight penalties already.
    """

    def __init__(self, parts: Assembly, required_calls: RequiredCalls) -> None:
        self.parts, self.required_calls, self.history = parts, required_calls, GradientHistory()
        self.has_penalties = False
        self.scaler: LossScaler | None = None  # which has scaled the gradients of the ascent
        self.scaled_alike = False  # whether the closure has scaled them by itself
        self.compared = False  # whether the lengths of both gradients were compared
        self.follow(parts.parameters)

    def follow(self, parameters: Iterable[TrainedParameter]) -> None:
        """Record the history of these parameters' gradients."""
        for each in parameters if self.parts.ascents else ():
            self.parts.undo.callback(self.history.follow(each.parameter).remove)

    def take(self, closure: Callable[[], object], scaler: LossScaler | None) -> None:
        """Replace the gradients by those at the ascent point; ``RuntimeError`` if they are not first gradients."""
        parts, scaler = self.parts, scaler if is_active(scaler) else None
        scale = loss_scale_of(scaler, parts.optimizer)
        self.check_pass()
        self.history.check_ascent(optimized_parameters(parts.optimizer))
        parts.add_penalties(scale)
        with ExitStack() as stack:
            stack.callback(setattr, self.history, "paused", False)
            self.history.paused = True
            if all(
                [stack.enter_context(each.at_ascent_point(parts.progress, scaler, scale)) for each in parts.ascents]
            ):
                first = None if self.compared else self.gradient_norm()
                loss = self.run(closure, scaler)
                self.compare(first, scaler, scale)
                self.scaled_alike = not (isinstance(loss, Tensor) or parts.penalties)
                parts.add_penalties(scale)
        self.scaler, self.has_penalties = scaler, True
        self.history.record_ascent(optimized_parameters(parts.optimizer))

    def check_pass(self) -> None:
        """Raise ``RuntimeError`` if no pass was recorded whose noise could be repeated."""
        recorder = self.parts.recorder
        if recorder.mark is None and recorder.keeps_marks and self.parts.model.training:
            raise StateError(
                "handle.ascend repeats the last training pass, and none was seen: call model(x), not model.forward(x), "
                "of the model that the recipe is attached to"
            )

    def run(self, closure: Callable[[], object], scaler: LossScaler | None) -> object:
        """Compute the gradients at the current weights by the closure; return its result."""
        model = self.parts.model
        model.zero_grad()
        self.parts.optimizer.zero_grad()
        torch.clear_autocast_cache()  # of the weights as they were
        self.required_calls.called.discard(PENALTY)
        with self.parts.recorder.repeat_pass(model), torch.enable_grad():
            loss = closure()
            if isinstance(loss, Tensor):
                backward(loss, scaler)
        if PENALTY in self.required_calls.needed - self.required_calls.called:
            raise StateError(
                "the recipe has penalties on activations or outputs, which count in the second gradient, too: "
                "handle.ascend(lambda: criterion(model(x), y) + handle.penalty())"
            )
        return loss

    def gradient_norm(self) -> float:
        """Return the joint norm of all gradients."""
        gradients = (each.grad for each in optimized_parameters(self.parts.optimizer) if each.grad is not None)
        return float(global_norm([each.coalesce().values() if each.is_sparse else each for each in gradients]))

    def compare(self, first: float | None, scaler: LossScaler | None, scale: float) -> None:
        """Check, once, that both gradients are of losses with the same scale."""
        if first is None:
            return
        second = self.gradient_norm()
        if scaler is None:
            check_unscaled_lengths(first, second)
        else:
            check_scaled_lengths(first, second, scale)
        self.compared = math.isfinite(first) and math.isfinite(second)

    def record_averaged(self) -> None:
        """Record averaged gradients of small batches as unmodified."""
        self.history.record_averaged(optimized_parameters(self.parts.optimizer))

    def check_step(self) -> None:
        """Raise ``RuntimeError`` before a step whose gradients are not the second ones, scaled as they were."""
        if self.parts.ascents:
            self.history.check_step()
            check_stepping_scaler(self.scaler, self.parts.optimizer, scaled_alike=self.scaled_alike)

    def after_step(self) -> None:
        """Forget the second gradient after the optimizer's step."""
        self.has_penalties = False
        if self.parts.ascents:
            self.history.record_step(optimized_parameters(self.parts.optimizer))
            self.parts.recorder.mark = None
