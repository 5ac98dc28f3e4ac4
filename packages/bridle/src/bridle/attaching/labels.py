"""Targets as the formulas take them, and back in the form in which the user's loss takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bridle.attaching.objectives import CLASSIFICATION, IGNORED, MULTILABEL, REGRESSION, Objective
from bridle.attaching.unknown_losses import alike, ignores, noise, value
from bridle.errors import InputError

# Note [ids made shares]
# torch's cross-entropy divides by the weights of the rows that count if they have class ids, and by the number of rows
# if they have shares of classes. So shares that were made of ids are multiplied by the one over the other: the loss,
# which is linear in them, then stays what it was for ids. Rows that do not count have no share of anything.

UNEVEN = 1e-3  # by which the sum of a row's shares may be off


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets (batch, outputs); ``problem`` says why they cannot be changed, ``doubt`` why they may be no classes'."""

    y: Tensor  # as given
    full: Tensor
    task: str
    problem: str = ""
    doubt: str = ""
    ignored: Tensor | None = None  # the rows that do not count
    scale: float = 1.0  # see Note [ids made shares]

    def without_ignored(self, new: Tensor) -> Tensor:
        """Shares in which rows that do not count have none."""
        return new if self.ignored is None else new.masked_fill(self.ignored[:, None], 0.0)

    def as_given(self, new: Tensor) -> Tensor:
        """Targets in the form in which the user has them; the user's own where nothing has changed."""
        y = self.y
        if new is self.full:
            return y
        if y.is_floating_point():
            return new.reshape(y.shape).to(y.dtype)
        return new * self.scale if self.task == CLASSIFICATION else new.reshape(y.shape)


def targets_of(y: Tensor, dtype: torch.dtype, classes: int | None, objective: Objective, loss: Any) -> Targets:
    """Targets as given, (batch,) or (batch, outputs): shares of classes where they are ids, else as they are."""
    if objective.task == MULTILABEL and objective.ids_only:
        return unknown(y, dtype, f"{objective.name} takes class ids alone; take nn.BCEWithLogitsLoss()")
    if y.ndim not in (1, 2) or (y.ndim == 2 and not y.is_floating_point() and objective.task != MULTILABEL):
        return unknown(y, dtype, f"these are of type {y.dtype} and of shape {tuple(y.shape)}, not one id for each row")
    if y.is_floating_point() or objective.task == MULTILABEL:
        return of_numbers(y, dtype, objective)
    if objective.task == REGRESSION:
        return unknown(y, dtype, f"these are of type {y.dtype}, and {objective.name} compares numbers: y.float()")
    return of_ids(y, dtype, classes, objective, loss)


def unknown(y: Tensor, dtype: torch.dtype, problem: str) -> Targets:
    """Targets that regularizers of rows alone may see."""
    return Targets(y, torch.zeros(len(y), 1, dtype=dtype, device=y.device), "", problem)


def of_numbers(y: Tensor, dtype: torch.dtype, objective: Objective) -> Targets:
    """Shares of classes, chances of each output, or numbers, as the loss takes them; without one, by their shape."""
    full, task, doubt = (y if y.ndim == 2 else y[:, None]).to(dtype), objective.task, ""
    if not task or (task == CLASSIFICATION and y.ndim == 1):
        task = CLASSIFICATION if full.shape[1] > 1 else REGRESSION
    if not objective.task and task == CLASSIFICATION and bool(((full.sum(1) - 1).abs() > UNEVEN).any()):
        doubt = "the rows of these do not add up to 1, as shares of classes would: attach(..., loss=your loss function)"
    return Targets(y, full, task, doubt=doubt)


def of_ids(y: Tensor, dtype: torch.dtype, classes: int | None, objective: Objective, loss: Any) -> Targets:
    """Shares of classes that are all or nothing."""
    if classes is None or classes < 2:
        return unknown(y, dtype, "these are class ids, of how many classes is not known: attach(..., classes=...)")
    if objective.exactly and objective.given and (objective.ignored or 0) >= 0 and not objective.ids_only:
        return unknown(
            y,
            dtype,
            f"{objective.name} takes no shares of classes with ignore_index={objective.ignored}; mark rows that do not "
            f"count by -100",
        )
    ids, skipped = y.long(), ignored_by(objective, classes, loss)
    ignored = ids == skipped if skipped is not None else torch.zeros_like(ids, dtype=torch.bool)
    kept = ids.masked_fill(ignored, 0)
    if len(kept) and (int(kept.min()) < 0 or int(kept.max()) >= classes):
        rest = ids[~ignored]
        return unknown(
            y,
            dtype,
            f"these are class ids from {int(rest.min())} to {int(rest.max())}, of {classes} classes: attach(..., "
            f"classes=...), or loss=nn.CrossEntropyLoss(ignore_index=...) where some rows do not count",
        )
    any_ignored = bool(ignored.any())
    if any_ignored and objective.smoothing:
        return unknown(
            y, dtype, f"{objective.name} would smooth the shares of rows that do not count: leave that to it"
        )
    full = F.one_hot(kept, classes).to(dtype)
    if any_ignored:
        full = full.masked_fill(ignored[:, None], 0.0)
    return Targets(y, full, CLASSIFICATION, ignored=ignored if any_ignored else None)


def ignored_by(objective: Objective, classes: int, loss: Any) -> int | None:
    """The id of rows that do not count; of a loss that is not torch's, what it does with torch's own."""
    if objective.exactly or not objective.given:
        return objective.ignored
    return IGNORED if ignores(loss, classes, IGNORED) else None


def scale_of(targets: Targets, objective: Objective, loss: Any) -> float:
    """What shares made of ids are to be multiplied by (Note [ids made shares]).

    Of a loss that is not torch's it is measured. ``ValueError`` where that takes no shares.
    """
    y, full = targets.y.long(), targets.full
    if not objective.given or (objective.exactly and objective.reduction != "mean"):
        return 1.0
    if not objective.exactly:
        return measured_scale(y, full, objective, loss)
    if targets.ignored is None and objective.weight is None:
        return 1.0
    weight = full.new_ones(full.shape[1]) if objective.weight is None else objective.weight.to(full)
    total = float((full * weight).sum())
    return len(full) / total if total > 0 else 1.0


def measured_scale(y: Tensor, full: Tensor, objective: Objective, loss: Any) -> float:
    """The loss for ids over that for shares, on outputs of our own."""
    z = noise(*full.shape).to(full)
    of_ids, of_shares = value(loss, z, y), value(loss, z, full)
    if of_ids is not None and of_shares is None:
        raise InputError(f"{objective.name} takes class ids alone; take nn.CrossEntropyLoss()")
    return 1.0 if not of_ids or not of_shares or alike(of_ids, of_shares) else of_ids / of_shares
