"""Penalties on what the network makes of a batch: on activations, on outputs, on how two passes differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bridle.acting import check_data, first_spot
from bridle.attaching.objectives import CLASSIFICATION, MULTILABEL, REGRESSION, Objective, pairs
from bridle.attaching.tape import Tape
from bridle.attaching.targets import Moment
from bridle.errors import InputError, StateError
from bridle.layout import Layout
from bridle.places import ActivityLoss, OutputLoss, PassLoss
from bridle.places.module import at_least_float32, full_precision
from bridle.recipe import Recipe


class Passes:
    """The penalties of one recipe on a model's last training pass."""

    def __init__(self, model: nn.Module, recipe: Recipe, tape: Tape, objective: Objective) -> None:
        self.model, self.tape, self.objective = model, tape, objective
        self.activities = [unit for unit in recipe if isinstance(unit, ActivityLoss)]
        self.outputs = [unit for unit in recipe if isinstance(unit, OutputLoss)]
        self.passes = [unit for unit in recipe if isinstance(unit, PassLoss)]

    def __bool__(self) -> bool:
        return bool(self.activities or self.outputs or self.passes)

    def penalty(self, moment: Moment) -> Tensor:
        """All penalties on the last training pass, a number with its graph; what was noted of the pass is let go."""
        tape = self.tape
        needs_output = bool(self.outputs or self.passes)
        if (needs_output and tape.output is None) or (self.activities and not tape.penalties):
            raise StateError(
                "handle.penalty() is of the last training pass, and there was none since the last time; "
                "call it after model(x), with the model in training mode"
            )
        total = torch.zeros((), device=next(self.model.parameters()).device)
        for each in tape.penalties:
            total = total + each.to(total.device)
        if needs_output:
            z = as_outputs(tape.output)
            for unit in (*self.outputs, *self.passes):
                check_data(unit, self.task(z), Layout())
            with full_precision(z):
                for unit in self.outputs:
                    total = total + self.cost(unit, [z], unit.keywords(passed=moment.passed))
            for unit in self.passes:
                numbers = unit.keywords(passed=moment.passed)
                other = self.second(unit, z, numbers)
                with full_precision(z):
                    total = total + self.cost(unit, [z, other], numbers)
        tape.forget()
        return total

    def task(self, z: Tensor) -> str:
        """What the outputs (batch, outputs) are for: as the loss says, or by their number."""
        if self.objective.task == CLASSIFICATION and z.shape[1] == 1:
            raise InputError(f"{self.objective.name} takes a softmax over classes, and the model gives one output")
        return self.objective.task or (CLASSIFICATION if z.shape[1] > 1 else REGRESSION)

    def cost(self, unit: OutputLoss | PassLoss, outputs: Sequence[Tensor], numbers: Mapping[str, Any]) -> Tensor:
        """A penalty; where each output is a yes or no, what is for classes is the sum of those of each.

        A sigmoid of z is the softmax of z and 0.
        """
        if self.objective.task != MULTILABEL or not unit.classes_only:
            whole: Tensor = type(unit).torch(*outputs, **numbers)
            return whole
        each: Tensor = type(unit).torch(*(pairs(z, torch.zeros_like(z)) for z in outputs), **numbers)
        return each.sum()

    def second(self, unit: PassLoss, z: Tensor, numbers: Mapping[str, Any]) -> Tensor:
        """The outputs of a second pass."""
        tape = self.tape
        if unit.fresh_noise:
            with tape.second(self.model):
                return as_outputs(self.model(*tape.args, **tape.kwargs))
        x = self.rows(unit)
        flat = x.detach().flatten(1).to(at_least_float32(x.dtype))
        arrays = tape.noise.draw(unit.noise, first_spot(unit), flat)
        if "slope" in unit.extra_inputs:
            with torch.enable_grad():
                probed = unit.probe(flat, *arrays, **numbers).detach().requires_grad_()
                there = self.outputs_for(probed.view(x.shape).to(x.dtype))
                with full_precision(z):
                    apart = self.cost(unit, [z.detach(), there], numbers)
                arrays = [torch.autograd.grad(apart, probed)[0]]
        return self.outputs_for(unit.move(flat, *arrays, **numbers).view(x.shape).to(x.dtype))

    def outputs_for(self, x: Tensor) -> Tensor:
        """The outputs for another batch under the noise of the first pass."""
        tape = self.tape
        with tape.second(self.model, tape.mark):
            if tape.args:
                return as_outputs(self.model(x, *tape.args[1:], **tape.kwargs))
            name = next(iter(tape.kwargs))
            return as_outputs(self.model(**{**tape.kwargs, name: x}))

    def rows(self, unit: PassLoss) -> Tensor:
        """The batch of the first pass; ``ValueError`` where it cannot be moved."""
        x = self.tape.args[0] if self.tape.args else next(iter(self.tape.kwargs.values()), None)
        if not isinstance(x, Tensor) or not x.is_floating_point():
            found = f"numbers of type {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
            raise InputError(f"{unit!r} moves the model's input a little, and that is {found}; leave it out here")
        return x


def as_outputs(output: Any) -> Tensor:
    """A model's output as (batch, outputs), in float32 or better; ``ValueError`` where it is nothing of the kind.

    A regression's may be (batch,). Of a dictionary, or an object like those of Hugging Face's models, it is ``logits``.
    """
    z = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", output)
    if not isinstance(z, Tensor) or z.ndim not in (1, 2):
        found = f"a tensor of shape {tuple(z.shape)}" if isinstance(z, Tensor) else type(output).__name__
        raise InputError(f"a penalty on outputs needs them as (batch, outputs), and the model gives {found}")
    return (z if z.ndim == 2 else z[:, None]).to(at_least_float32(z.dtype))
