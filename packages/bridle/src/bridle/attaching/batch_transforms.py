"""The batch transforms of a recipe: Mixup, CutMix, label smoothing, adversarial examples and others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from bridle.attaching.forward_penalties import as_outputs
from bridle.attaching.labels import Targets, share_scale, targets_of
from bridle.attaching.loss_probing import LossFunction
from bridle.attaching.model_inputs import call_model
from bridle.attaching.objectives import CLASSIFICATION, LOGITS, MULTILABEL, Objective, as_two_classes
from bridle.attaching.pass_recorder import PassRecorder
from bridle.attaching.training_progress import TrainingProgress
from bridle.errors import InputError
from bridle.feature_layout import Layout
from bridle.noise_streams import first_stream_id
from bridle.places import Batch
from bridle.places.matrices import at_least_float32
from bridle.training_rules import check_data

__all__ = ["BatchTransforms"]


@dataclass
class BatchTransforms:
    """The regularizers of a recipe that change batches."""

    units: Sequence[Batch]
    model: nn.Module
    recorder: PassRecorder
    loss: LossFunction | None
    objective: Objective
    classes: int | None  # of targets that are ids
    features: tuple[str, ...]  # names of a table's columns

    def __post_init__(self) -> None:
        for unit in self.units:
            if "slope" in unit.extra_inputs and self.loss is None:
                raise InputError(f"{unit!r} follows the slope of the loss: attach(..., loss=your loss function)")

    @torch.no_grad()
    def transform(self, x: Any, y: Tensor, progress: TrainingProgress) -> tuple[Any, Tensor]:
        """Transform a batch; inputs keep their shape, class ids may become shares of classes."""
        self.check_batch(x, y)
        layout = Layout.of(tuple(x.shape[1:]), self.features) if isinstance(x, Tensor) else Layout()
        rows = as_rows(x, y)
        targets = targets_of(y, rows.dtype, self.classes, self.objective, self.loss)
        # All noise is drawn before the first extra pass: torch's generators then stand where the user's pass begins.
        noise = [self.recorder.noise.draw(unit.noise, first_stream_id(unit), rows) for unit in self.units]
        inputs = {"slope": self.slope, "prediction": self.prediction}
        new_x, new_y = rows, targets.full
        for unit, drawn in zip(self.units, noise, strict=True):
            if not targets.problem:
                check_data(unit, targets.task, layout)
            if "slope" in unit.extra_inputs:
                self.check_rows(unit, x)
            current = self.as_given(new_x, rows, x), targets.as_given(new_y)
            extra = [inputs[each](*current, targets.task) for each in unit.extra_inputs]
            step_inputs = {"layout": layout} if "layout" in unit.step_inputs else {}
            before = new_x, new_y
            keywords = {**unit.keywords(passed=progress.passed), **step_inputs}
            new_x, new_y = apply_regularizer(unit, before, [*drawn, *extra], keywords, targets.task)
            if new_x is not before[0]:
                self.check_rows(unit, x)
            if new_y is not before[1]:
                targets = self.checked_targets(unit, targets)
                new_y = targets.without_ignored(new_y)
        return self.as_given(new_x, rows, x), targets.as_given(new_y)

    def as_given(self, new: Tensor, rows: Tensor, x: Any) -> Any:
        """Return inputs in the user's shape and dtype; the user's own tensor if nothing has changed."""
        return x if new is rows else new.view(x.shape).to(x.dtype)

    def check_batch(self, x: Any, y: Any) -> None:
        """Raise ``ValueError`` for a batch that is not made of tensors, if a regularizer needs them."""
        for unit in self.units:
            needs_rows = unit.noise or unit.step_inputs or unit.images_only or "slope" in unit.extra_inputs
            if not isinstance(y, Tensor) or (needs_rows and not isinstance(x, Tensor)):
                found = type(x if isinstance(y, Tensor) else y).__name__
                raise InputError(
                    f"{unit!r} changes batches that are tensors, got {found}: give handle.batch the tensor that it is "
                    f"to change, rows first, and put what it returns back into yours"
                )

    def slope(self, x: Tensor, y: Tensor, task: str) -> Tensor:
        """Return the gradient of each row's data loss with respect to the row, (batch, features)."""
        assert self.loss is not None
        del task
        with torch.enable_grad(), self.recorder.second_pass(self.model, self.recorder.noise.mark()):
            probed = x.detach().clone().requires_grad_()
            slope = torch.autograd.grad(self.loss(self.model(probed), y), probed)[0]
        per_row = 1 if getattr(self.loss, "reduction", "mean") == "sum" else len(x)
        return (slope * per_row).flatten(1).to(at_least_float32(x.dtype))

    def prediction(self, x: Any, y: Tensor, task: str) -> Tensor:
        """Return the model's prediction, probabilities or numbers, (batch, outputs)."""
        del y
        with self.recorder.second_pass(self.model, self.recorder.noise.mark()):
            z = as_outputs(call_model(self.model, x))
        if task == MULTILABEL and self.objective.outputs == LOGITS:
            return z.sigmoid()
        return z.softmax(1) if task == CLASSIFICATION else z

    def check_rows(self, unit: Batch, x: Any) -> None:
        """Raise ``ValueError`` if a regularizer has changed inputs that are not floating point."""
        if not isinstance(x, Tensor) or not x.is_floating_point():
            found = f"of type {x.dtype}" if isinstance(x, Tensor) else f"in a {type(x).__name__}"
            raise InputError(
                f"{unit!r} changes rows as amounts, and these are {found}: ids of words or categories have "
                f"nothing in between; give it numbers (x.float()), or leave it out"
            )

    def checked_targets(self, unit: Batch, targets: Targets) -> Targets:
        """Return changed targets with the scale of their shares; ``ValueError`` if the loss cannot take them."""
        problem = targets.problem or (targets.doubt if unit.classes_only else "")
        if problem:
            raise InputError(f"{unit!r} changes targets, and {problem}")
        if targets.y.is_floating_point() or targets.task != CLASSIFICATION:
            return targets
        if self.objective.ids_only:
            raise InputError(
                f"{unit!r} gives each row a share of several classes, and {self.objective.name} takes class ids alone; "
                f"take nn.CrossEntropyLoss()"
            )
        return replace(targets, scale=share_scale(targets, self.objective, self.loss))


def as_rows(x: Any, y: Tensor) -> Tensor:
    """Return the inputs as formulas take them, (batch, features); empty rows if they are no tensor."""
    if not isinstance(x, Tensor):
        return y.new_zeros(len(y), 1, dtype=torch.float32)
    return x.flatten(1).to(at_least_float32(x.dtype) if x.is_floating_point() else torch.float32)


def apply_regularizer(
    unit: Batch, batch: tuple[Tensor, Tensor], arrays: Sequence[Tensor], keywords: dict[str, Any], task: str
) -> tuple[Tensor, Tensor]:
    """Apply one batch transform; of a multi-label task, a regularizer for classes acts on each label by itself."""
    x, y = batch
    if task != MULTILABEL or not unit.classes_only:
        new: tuple[Tensor, Tensor] = unit.torch(x, y, *arrays, **keywords)
        return new
    extra = [as_two_classes(each, 1 - each) if each.shape == y.shape else each for each in arrays]
    new_x, new_y = unit.torch(x, as_two_classes(y, 1 - y), *extra, **keywords)
    return new_x, new_y[..., 0].T
