"""Penalties on the forward pass: on activations, on outputs, and on the difference of two passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bridle.attaching.objectives import CLASSIFICATION, MULTILABEL, REGRESSION, Objective, as_two_classes
from bridle.attaching.pass_recorder import PassRecorder
from bridle.attaching.training_progress import TrainingProgress
from bridle.errors import InputError, StateError
from bridle.feature_layout import Layout
from bridle.noise_streams import first_stream_id
from bridle.places import ActivityLoss, OutputLoss, PassLoss
from bridle.places.matrices import at_least_float32
from bridle.places.module import full_precision
from bridle.recipe import Recipe
from bridle.training_rules import check_data

__all__ = ["ForwardPenalties", "as_outputs"]


class ForwardPenalties:
    """The penalties of one recipe on a model's last training pass."""

    def __init__(self, model: nn.Module, recipe: Recipe, recorder: PassRecorder, objective: Objective) -> None:
        self.model, self.recorder, self.objective = model, recorder, objective
        self.activities = [unit for unit in recipe if isinstance(unit, ActivityLoss)]
        self.outputs = [unit for unit in recipe if isinstance(unit, OutputLoss)]
        self.passes = [unit for unit in recipe if isinstance(unit, PassLoss)]

    def __bool__(self) -> bool:
        return bool(self.activities or self.outputs or self.passes)

    def penalty(self, progress: TrainingProgress) -> Tensor:
        """Return the sum of all penalties on the last training pass, with its graph, and forget the pass."""
        recorder = self.recorder
        needs_output = bool(self.outputs or self.passes)
        if (needs_output and recorder.output is None) or (self.activities and not recorder.penalties):
            raise StateError(
                "handle.penalty() is of the last training pass, and there was none since the last time; "
                "call it after model(x), with the model in training mode"
            )
        total = torch.zeros((), device=next(self.model.parameters()).device)
        for each in recorder.penalties:
            total = total + each.to(total.device)
        if needs_output:
            z = as_outputs(recorder.output)
            for unit in (*self.outputs, *self.passes):
                check_data(unit, self.task(z), Layout())
            with full_precision(z):
                for unit in self.outputs:
                    total = total + self.cost(unit, [z], unit.keywords(passed=progress.passed))
            for unit in self.passes:
                numbers = unit.keywords(passed=progress.passed)
                other = self.second_outputs(unit, z, numbers)
                with full_precision(z):
                    total = total + self.cost(unit, [z, other], numbers)
        recorder.forget()
        return total

    def task(self, z: Tensor) -> str:
        """Return the task of the outputs (batch, outputs): the loss's, or by the number of outputs."""
        if self.objective.task == CLASSIFICATION and z.shape[1] == 1:
            raise InputError(f"{self.objective.name} takes a softmax over classes, and the model gives one output")
        return self.objective.task or (CLASSIFICATION if z.shape[1] > 1 else REGRESSION)

    def cost(self, unit: OutputLoss | PassLoss, outputs: Sequence[Tensor], numbers: Mapping[str, Any]) -> Tensor:
        """Return one penalty; of a multi-label task, one for classes is summed over the labels.

        A sigmoid of z is the softmax of z and 0.
        """
        if self.objective.task != MULTILABEL or not unit.classes_only:
            whole: Tensor = type(unit).torch(*outputs, **numbers)
            return whole
        each: Tensor = type(unit).torch(*(as_two_classes(z, torch.zeros_like(z)) for z in outputs), **numbers)
        return each.sum()

    def second_outputs(self, unit: PassLoss, z: Tensor, numbers: Mapping[str, Any]) -> Tensor:
        """Return the outputs of the second pass that a penalty compares with the first."""
        recorder = self.recorder
        if unit.fresh_noise:
            with recorder.second_pass(self.model):
                return as_outputs(self.model(*recorder.args, **recorder.kwargs))
        x = self.rows(unit)
        flat = x.detach().flatten(1).to(at_least_float32(x.dtype))
        arrays = recorder.noise.draw(unit.noise, first_stream_id(unit), flat)
        if "slope" in unit.extra_inputs:
            with torch.enable_grad():
                probed = unit.probe(flat, *arrays, **numbers).detach().requires_grad_()
                there = self.outputs_for(probed.view(x.shape).to(x.dtype))
                with full_precision(z):
                    apart = self.cost(unit, [z.detach(), there], numbers)
                arrays = [torch.autograd.grad(apart, probed)[0]]
        return self.outputs_for(unit.move(flat, *arrays, **numbers).view(x.shape).to(x.dtype))

    def outputs_for(self, x: Tensor) -> Tensor:
        """Return the outputs for another batch, with the noise of the first pass."""
        recorder = self.recorder
        with recorder.second_pass(self.model, recorder.mark):
            if recorder.args:
                return as_outputs(self.model(x, *recorder.args[1:], **recorder.kwargs))
            name = next(iter(recorder.kwargs))
            return as_outputs(self.model(**{**recorder.kwargs, name: x}))

    def rows(self, unit: PassLoss) -> Tensor:
        """Return the input of the first pass; ``ValueError`` if it is not floating point."""
        x = self.recorder.args[0] if self.recorder.args else next(iter(self.recorder.kwargs.values()), None)
        if not isinstance(x, Tensor) or not x.is_floating_point():
            found = f"numbers of type {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
            raise InputError(f"{unit!r} moves the model's input a little, and that is {found}; leave it out here")
        return x


def as_outputs(output: object) -> Tensor:
    """Return a model's output as (batch, outputs) in float32 or better; ``ValueError`` for other shapes.

    A regression's may be (batch,). Of a dictionary, or an object like those of Hugging Face's models, it is ``logits``.
    """
    z = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", output)
    if not isinstance(z, Tensor) or z.ndim not in (1, 2):
        found = f"a tensor of shape {tuple(z.shape)}" if isinstance(z, Tensor) else type(output).__name__
        raise InputError(f"a penalty on outputs needs them as (batch, outputs), and the model gives {found}")
    return (z if z.ndim == 2 else z[:, None]).to(at_least_float32(z.dtype))
