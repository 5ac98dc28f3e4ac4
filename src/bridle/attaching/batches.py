"""Batches as a recipe shows them to the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bridle.acting import check_data, first_spot
from bridle.attaching.passes import as_outputs
from bridle.attaching.tape import Tape
from bridle.attaching.targets import Moment
from bridle.layout import Layout
from bridle.places import Batch
from bridle.places.module import at_least_float32

LossFunction = Callable[[Any, Tensor], Tensor]
IDS_ONLY = (nn.NLLLoss, nn.MultiMarginLoss, nn.MultiLabelMarginLoss)
IDS_ONLY_FUNCTIONS = (F.nll_loss, F.multi_margin_loss, F.multilabel_margin_loss)


class Targets(NamedTuple):
    """Targets as the formulas take them, (batch, outputs); ``problem`` says why they could not be made."""

    y: Tensor
    task: str
    problem: str = ""


@dataclass
class Batches:
    """The regularizers of a recipe that change batches."""

    units: Sequence[Batch]
    model: nn.Module
    tape: Tape
    loss: LossFunction | None
    classes: int | None  # of targets that are ids
    features: tuple[str, ...]  # names of a table's columns

    def __post_init__(self) -> None:
        for unit in self.units:
            if "slope" in unit.asks and self.loss is None:
                raise ValueError(f"{unit!r} follows the slope of the loss: attach(..., loss=your loss function)")

    @torch.no_grad()
    def shown(self, x: Tensor, y: Tensor, moment: Moment) -> tuple[Tensor, Tensor]:
        """A batch as the network is shown it, in the shapes that it came in; class ids may become probabilities."""
        if not isinstance(x, Tensor) or not isinstance(y, Tensor):
            found = type(y if isinstance(x, Tensor) else x).__name__
            raise ValueError(f"{self.units[0]!r} changes batches that are tensors, got {found}")
        layout = Layout.of(tuple(x.shape[1:]), self.features)
        rows = x.flatten(1).to(at_least_float32(x.dtype) if x.is_floating_point() else torch.float32)
        targets = full(y, rows, self.classes)
        # All noise is drawn before the first extra pass: torch's generators then stand where the user's pass begins.
        noise = [self.tape.noise.draw(unit.noise, first_spot(unit), rows) for unit in self.units]
        new_x, new_y = rows, targets.y
        for unit, drawn in zip(self.units, noise, strict=True):
            if not targets.problem:
                check_data(unit, targets.task, layout)
            shown = self.as_given(new_x, rows, x), as_given(new_y, targets.y, y)
            asked = [getattr(self, each)(*shown, targets.task) for each in unit.asks]
            told = {"layout": layout} if "layout" in unit.told else {}
            before = new_x, new_y
            new_x, new_y = unit.torch(*before, *drawn, *asked, **unit.keywords(passed=moment.passed), **told)
            if new_x is not before[0]:
                self.check_rows(unit, x)
            if new_y is not before[1]:
                self.check_targets(unit, targets)
        return self.as_given(new_x, rows, x), as_given(new_y, targets.y, y)

    def as_given(self, new: Tensor, rows: Tensor, x: Tensor) -> Tensor:
        """Rows in the shape and the type in which the user has them; the user's own where nothing has changed."""
        return x if new is rows else new.view(x.shape).to(x.dtype)

    def slope(self, x: Tensor, y: Tensor, task: str) -> Tensor:
        """The gradient of each row's data loss with respect to the row, (batch, features)."""
        assert self.loss is not None
        del task
        with torch.enable_grad(), self.tape.second(self.model, self.tape.noise.mark()):
            probed = x.detach().clone().requires_grad_()
            slope = torch.autograd.grad(self.loss(self.model(probed), y), probed)[0]
        per_row = 1 if getattr(self.loss, "reduction", "mean") == "sum" else len(x)
        return (slope * per_row).flatten(1).to(at_least_float32(x.dtype))

    def prediction(self, x: Tensor, y: Tensor, task: str) -> Tensor:
        """What the network makes of the rows: probabilities, or the number, (batch, outputs)."""
        del y
        with self.tape.second(self.model, self.tape.noise.mark()):
            z = as_outputs(self.model(x))
        return z.softmax(1) if task == "classification" else z

    def check_rows(self, unit: Batch, x: Tensor) -> None:
        """Raise ``ValueError`` where rows were changed that hold no amounts."""
        if not x.is_floating_point():
            raise ValueError(
                f"{unit!r} changes rows as amounts, and these are of type {x.dtype}: ids of words or categories have "
                f"nothing in between; give it numbers (x.float()), or leave it out"
            )

    def check_targets(self, unit: Batch, targets: Targets) -> None:
        """Raise ``ValueError`` where targets were changed that cannot be, or that the loss cannot take."""
        if targets.problem:
            raise ValueError(f"{unit!r} changes targets, and {targets.problem}")
        ids_only = isinstance(self.loss, IDS_ONLY) or self.loss in IDS_ONLY_FUNCTIONS
        if ids_only and targets.task == "classification":
            name = getattr(self.loss, "__name__", type(self.loss).__name__)
            raise ValueError(
                f"{unit!r} gives each row a share of several classes, and {name} takes class ids alone; "
                f"take nn.CrossEntropyLoss()"
            )


def full(y: Tensor, rows: Tensor, classes: int | None) -> Targets:
    """Targets as given, (batch,) or (batch, outputs): probabilities of classes where they are ids, else as they are."""
    if y.is_floating_point() and y.ndim <= 2:
        task = "classification" if y.ndim == 2 and y.shape[1] > 1 else "regression"
        return Targets((y if y.ndim == 2 else y[:, None]).to(rows.dtype), task)
    nothing = rows.new_zeros(len(rows), 1)
    if y.ndim != 1:
        return Targets(
            nothing, "", f"these are of type {y.dtype} and of shape {tuple(y.shape)}, not one id for each row"
        )
    if classes is None or classes < 2:
        return Targets(nothing, "", "these are class ids, of how many classes is not known: attach(..., classes=...)")
    return Targets(F.one_hot(y.long(), classes).to(rows.dtype), "classification")


def as_given(new: Tensor, full: Tensor, y: Tensor) -> Tensor:
    """Targets in the shape in which the user has them; the user's own where nothing has changed, ids become floats."""
    if new is full:
        return y
    return (new.squeeze(1) if y.is_floating_point() and y.ndim == 1 else new).to(
        y.dtype if y.is_floating_point() else new.dtype
    )
