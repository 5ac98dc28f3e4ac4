"""Targets in the form that batch transforms take, and back in the form that the user's loss takes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from bridle.attaching.loss_probing import LossFunction, ignores_index, is_close, loss_value, random_logits
from bridle.attaching.objectives import CLASSIFICATION, IGNORED, MULTILABEL, REGRESSION, Objective
from bridle.errors import InputError

__all__ = ["Targets", "share_scale", "targets_of"]

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
        """Set the shares of ignored rows to zero."""
        return new if self.ignored is None else new.masked_fill(self.ignored[:, None], 0.0)

    def as_given(self, new: Tensor) -> Tensor:
        """Return targets in the user's form; the user's own tensor if nothing has changed."""
        y = self.y
        if new is self.full:
            return y
        if y.is_floating_point():
            return new.reshape(y.shape).to(y.dtype)
        return new * self.scale if self.task == CLASSIFICATION else new.reshape(y.shape)


def targets_of(
    y: Tensor, dtype: torch.dtype, classes: int | None, objective: Objective, loss: LossFunction | None
) -> Targets:
    """Convert targets (batch,) or (batch, outputs): class ids to shares of classes, others as they are."""
    if objective.task == MULTILABEL and objective.ids_only:
        return unchangeable_targets(y, dtype, f"{objective.name} takes class ids alone; take nn.BCEWithLogitsLoss()")
    if y.ndim not in (1, 2) or (y.ndim == 2 and not y.is_floating_point() and objective.task != MULTILABEL):
        return unchangeable_targets(
            y, dtype, f"these are of type {y.dtype} and of shape {tuple(y.shape)}, not one id for each row"
        )
    if y.is_floating_point() or objective.task == MULTILABEL:
        return float_targets(y, dtype, objective)
    if objective.task == REGRESSION:
        return unchangeable_targets(
            y, dtype, f"these are of type {y.dtype}, and {objective.name} compares numbers: y.float()"
        )
    return id_targets(y, dtype, classes, objective, loss)


def unchangeable_targets(y: Tensor, dtype: torch.dtype, problem: str) -> Targets:
    """Return a placeholder for targets that no regularizer may change."""
    return Targets(y, torch.zeros(len(y), 1, dtype=dtype, device=y.device), "", problem)


def float_targets(y: Tensor, dtype: torch.dtype, objective: Objective) -> Targets:
    """Convert floating-point targets by the loss's task; without a task, by their shape."""
    full, task, doubt = (y if y.ndim == 2 else y[:, None]).to(dtype), objective.task, ""
    if not task or (task == CLASSIFICATION and y.ndim == 1):
        task = CLASSIFICATION if full.shape[1] > 1 else REGRESSION
    if not objective.task and task == CLASSIFICATION and bool(((full.sum(1) - 1).abs() > UNEVEN).any()):
        doubt = "the rows of these do not add up to 1, as shares of classes would: attach(..., loss=your loss function)"
    return Targets(y, full, task, doubt=doubt)


def id_targets(
    y: Tensor, dtype: torch.dtype, classes: int | None, objective: Objective, loss: LossFunction | None
) -> Targets:
    """Convert class ids to one-hot shares of classes."""
    if classes is None or classes < 2:
        return unchangeable_targets(
            y, dtype, "these are class ids, of how many classes is not known: attach(..., classes=...)"
        )
    if objective.is_torch_loss and objective.is_given and (objective.ignored or 0) >= 0 and not objective.ids_only:
        return unchangeable_targets(
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
        return unchangeable_targets(
            y,
            dtype,
            f"these are class ids from {int(rest.min())} to {int(rest.max())}, of {classes} classes: attach(..., "
            f"classes=...), or loss=nn.CrossEntropyLoss(ignore_index=...) where some rows do not count",
        )
    any_ignored = bool(ignored.any())
    if any_ignored and objective.smoothing:
        return unchangeable_targets(
            y, dtype, f"{objective.name} would smooth the shares of rows that do not count: leave that to it"
        )
    full = F.one_hot(kept, classes).to(dtype)
    if any_ignored:
        full = full.masked_fill(ignored[:, None], 0.0)
    return Targets(y, full, CLASSIFICATION, ignored=ignored if any_ignored else None)


def ignored_by(objective: Objective, classes: int, loss: LossFunction | None) -> int | None:
    """Return the class id that the loss ignores, ``None`` if there is none; other losses than torch's are tried."""
    if objective.is_torch_loss or loss is None:
        return objective.ignored
    return IGNORED if ignores_index(loss, classes, IGNORED) else None


def share_scale(targets: Targets, objective: Objective, loss: LossFunction | None) -> float:
    """Return the factor for shares made of ids (Note [ids made shares]).

    For other losses than torch's it is measured. ``ValueError`` if they take no shares.
    """
    y, full = targets.y.long(), targets.full
    if loss is None or (objective.is_torch_loss and objective.reduction != "mean"):
        return 1.0
    if not objective.is_torch_loss:
        return probed_scale(y, full, objective, loss)
    if targets.ignored is None and objective.weight is None:
        return 1.0
    weight = full.new_ones(full.shape[1]) if objective.weight is None else objective.weight.to(full)
    total = float((full * weight).sum())
    return len(full) / total if total > 0 else 1.0


def probed_scale(y: Tensor, full: Tensor, objective: Objective, loss: LossFunction) -> float:
    """Return the ratio of the loss for ids to that for shares, on random logits."""
    z = random_logits(*full.shape).to(full)
    id_targets, of_shares = loss_value(loss, z, y), loss_value(loss, z, full)
    if id_targets is not None and of_shares is None:
        raise InputError(f"{objective.name} takes class ids alone; take nn.CrossEntropyLoss()")
    return 1.0 if not id_targets or not of_shares or is_close(id_targets, of_shares) else id_targets / of_shares
