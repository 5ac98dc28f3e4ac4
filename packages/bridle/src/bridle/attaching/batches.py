"""Batches as a recipe shows them to the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from bridle.acting import check_data, first_spot
from bridle.attaching.calling import call
from bridle.attaching.labels import Targets, scale_of, targets_of
from bridle.attaching.objectives import CLASSIFICATION, LOGITS, MULTILABEL, LossFunction, Objective, pairs
from bridle.attaching.passes import as_outputs
from bridle.attaching.tape import Tape
from bridle.attaching.targets import Moment
from bridle.errors import InputError
from bridle.layout import Layout
from bridle.places import Batch
from bridle.places.module import at_least_float32


@dataclass
class Batches:
    """The regularizers of a recipe that change batches."""

    units: Sequence[Batch]
    model: nn.Module
    tape: Tape
    loss: LossFunction | None
    objective: Objective
    classes: int | None  # of targets that are ids
    features: tuple[str, ...]  # names of a table's columns

    def __post_init__(self) -> None:
        for unit in self.units:
            if "slope" in unit.extra_inputs and self.loss is None:
                raise InputError(f"{unit!r} follows the slope of the loss: attach(..., loss=your loss function)")

    @torch.no_grad()
    def shown(self, x: Any, y: Tensor, moment: Moment) -> tuple[Any, Tensor]:
        """A batch as the network is shown it, in the shapes that it came in; class ids may become shares of classes."""
        self.check_batch(x, y)
        layout = Layout.of(tuple(x.shape[1:]), self.features) if isinstance(x, Tensor) else Layout()
        rows = rows_of(x, y)
        targets = targets_of(y, rows.dtype, self.classes, self.objective, self.loss)
        # All noise is drawn before the first extra pass: torch's generators then stand where the user's pass begins.
        noise = [self.tape.noise.draw(unit.noise, first_spot(unit), rows) for unit in self.units]
        new_x, new_y = rows, targets.full
        for unit, drawn in zip(self.units, noise, strict=True):
            if not targets.problem:
                check_data(unit, targets.task, layout)
            if "slope" in unit.extra_inputs:
                self.check_rows(unit, x)
            shown = self.as_given(new_x, rows, x), targets.as_given(new_y)
            extra = [getattr(self, each)(*shown, targets.task) for each in unit.extra_inputs]
            step_inputs = {"layout": layout} if "layout" in unit.step_inputs else {}
            before = new_x, new_y
            keywords = {**unit.keywords(passed=moment.passed), **step_inputs}
            new_x, new_y = changed(unit, before, [*drawn, *extra], keywords, targets.task)
            if new_x is not before[0]:
                self.check_rows(unit, x)
            if new_y is not before[1]:
                targets = self.checked(unit, targets)
                new_y = targets.without_ignored(new_y)
        return self.as_given(new_x, rows, x), targets.as_given(new_y)

    def as_given(self, new: Tensor, rows: Tensor, x: Any) -> Any:
        """Rows in the shape and the type in which the user has them; the user's own where nothing has changed."""
        return x if new is rows else new.view(x.shape).to(x.dtype)

    def check_batch(self, x: Any, y: Any) -> None:
        """Raise ``ValueError`` for a batch that is no tensors, where a regularizer must have it as such."""
        for unit in self.units:
            needs_rows = unit.noise or unit.step_inputs or unit.images_only or "slope" in unit.extra_inputs
            if not isinstance(y, Tensor) or (needs_rows and not isinstance(x, Tensor)):
                found = type(x if isinstance(y, Tensor) else y).__name__
                raise InputError(
                    f"{unit!r} changes batches that are tensors, got {found}: give handle.batch the tensor that it is "
                    f"to change, rows first, and put what it returns back into yours"
                )

    def slope(self, x: Tensor, y: Tensor, task: str) -> Tensor:
        """The gradient of each row's data loss with respect to the row, (batch, features)."""
        assert self.loss is not None
        del task
        with torch.enable_grad(), self.tape.second(self.model, self.tape.noise.mark()):
            probed = x.detach().clone().requires_grad_()
            slope = torch.autograd.grad(self.loss(self.model(probed), y), probed)[0]
        per_row = 1 if getattr(self.loss, "reduction", "mean") == "sum" else len(x)
        return (slope * per_row).flatten(1).to(at_least_float32(x.dtype))

    def prediction(self, x: Any, y: Tensor, task: str) -> Tensor:
        """What the network makes of the rows: probabilities, or the number, (batch, outputs)."""
        del y
        with self.tape.second(self.model, self.tape.noise.mark()):
            z = as_outputs(call(self.model, x))
        if task == MULTILABEL and self.objective.outputs == LOGITS:
            return z.sigmoid()
        return z.softmax(1) if task == CLASSIFICATION else z

    def check_rows(self, unit: Batch, x: Any) -> None:
        """Raise ``ValueError`` where rows were changed that hold no amounts."""
        if not isinstance(x, Tensor) or not x.is_floating_point():
            found = f"of type {x.dtype}" if isinstance(x, Tensor) else f"in a {type(x).__name__}"
            raise InputError(
                f"{unit!r} changes rows as amounts, and these are {found}: ids of words or categories have "
                f"nothing in between; give it numbers (x.float()), or leave it out"
            )

    def checked(self, unit: Batch, targets: Targets) -> Targets:
        """Targets that were changed; ``ValueError`` where they cannot be, or the loss cannot take what they become."""
        problem = targets.problem or (targets.doubt if getattr(unit, "classes_only", False) else "")
        if problem:
            raise InputError(f"{unit!r} changes targets, and {problem}")
        if targets.y.is_floating_point() or targets.task != CLASSIFICATION:
            return targets
        if self.objective.ids_only:
            raise InputError(
                f"{unit!r} gives each row a share of several classes, and {self.objective.name} takes class ids alone; "
                f"take nn.CrossEntropyLoss()"
            )
        return replace(targets, scale=scale_of(targets, self.objective, self.loss))


def rows_of(x: Any, y: Tensor) -> Tensor:
    """The rows of a batch as formulas take them, (batch, features); of what is no tensor, as many without content."""
    if not isinstance(x, Tensor):
        return y.new_zeros(len(y), 1, dtype=torch.float32)
    return x.flatten(1).to(at_least_float32(x.dtype) if x.is_floating_point() else torch.float32)


def changed(
    unit: Batch, batch: tuple[Tensor, Tensor], arrays: Sequence[Tensor], keywords: dict[str, Any], task: str
) -> tuple[Tensor, Tensor]:
    """A batch behind a regularizer; where each output is a yes or no, what is for classes acts on each by itself."""
    x, y = batch
    if task != MULTILABEL or not getattr(unit, "classes_only", False):
        new: tuple[Tensor, Tensor] = unit.torch(x, y, *arrays, **keywords)
        return new
    extra = [pairs(each, 1 - each) if each.shape == y.shape else each for each in arrays]
    new_x, new_y = unit.torch(x, pairs(y, 1 - y), *extra, **keywords)
    return new_x, new_y[..., 0].T
