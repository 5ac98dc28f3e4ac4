"""The hooks by which a recipe acts in ``optimizer.step()``, before and after the update."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch.optim import Optimizer

from bridle.attaching.assembly import Assembly
from bridle.attaching.evaluation_weights import EvaluationWeights
from bridle.attaching.grad_scaler import unscale
from bridle.attaching.late_parameters import TrainableTracker
from bridle.attaching.required_calls import RequiredCalls
from bridle.attaching.second_gradient import SecondGradient
from bridle.errors import InputError, StateError

__all__ = ["OptimizerHooks", "check_optimizer"]


class OptimizerHooks:
    """Lets a recipe act on gradients and weights in each step of the optimizer."""

    def __init__(
        self,
        parts: Assembly,
        required_calls: RequiredCalls,
        second_gradient: SecondGradient,
        evaluation_weights: EvaluationWeights,
    ) -> None:
        self.parts, self.required_calls = parts, required_calls
        self.second_gradient, self.evaluation_weights = second_gradient, evaluation_weights
        self.trainable = TrainableTracker(parts)
        self.skipped = False  # whether a GradScaler lets the optimizer skip this step

    def register(self, undo: ExitStack) -> None:
        """Register both hooks with the optimizer."""
        optimizer = self.parts.optimizer
        undo.callback(optimizer.register_step_pre_hook(self.before_step).remove)
        undo.callback(optimizer.register_step_post_hook(self.after_step).remove)

    def update_parameters(self) -> None:
        """Let the recipe act on parameters that are trained since the last step."""
        self.second_gradient.follow(self.trainable.update())

    def before_step(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Change gradients and weights before the update; if the step has a closure, after that has run."""
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if closure is None:
            self.before_update()
            return None

        def wrapped() -> Any:
            loss = closure()
            self.before_update()
            return loss

        return ((args[0], wrapped, *args[2:]), kwargs) if len(args) > 1 else (args, {**kwargs, "closure": wrapped})

    @torch.no_grad()
    def before_update(self) -> None:
        """Add weight penalties, then change gradients and weights, unless the step is skipped."""
        self.check_loop()
        self.second_gradient.check_step()
        self.skipped = unscale(self.parts.optimizer)
        if self.skipped:
            return
        parts = self.parts
        self.update_parameters()
        parts.groups.follow()
        if not self.second_gradient.has_penalties:
            parts.add_penalties()
        for each in (*parts.gradient_ops, *parts.pre_update_ops):
            each.apply(parts.progress)

    @torch.no_grad()
    def after_step(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Change weights after the update, update averages, and count the step, unless it was skipped."""
        parts = self.parts
        self.required_calls.called.clear()
        self.second_gradient.after_step()
        parts.recorder.noise.next_batch()
        parts.noise.next_batch()
        if self.skipped:
            return
        for each in parts.post_update_ops:
            each.apply(parts.progress)
        for average in parts.averages:
            average.update(parts.progress)
        for ensemble in parts.ensembles:
            ensemble.update(parts.progress)
        parts.progress.step += 1
        parts.apply_schedules()
        self.evaluation_weights.after_step()

    def check_loop(self) -> None:
        """Raise ``RuntimeError`` if a required call is missing, or the averages are in the model."""
        if self.evaluation_weights.active:
            raise StateError("the averaged weights are in the model: leave handle.averaged() before training goes on")
        self.required_calls.check()


def check_optimizer(optimizer: Optimizer) -> None:
    """Raise ``ValueError`` if an optimizer has a recipe attached already."""
    for hook in optimizer._optimizer_step_pre_hooks.values():
        other = getattr(hook, "__self__", None)
        if isinstance(other, OptimizerHooks):
            raise InputError(
                f"this optimizer has a recipe attached already, {str(other.parts.recipe)!r}: end that first, "
                f"bridle.attached(its model).finish() or .detach(), or attach the sum of both"
            )
