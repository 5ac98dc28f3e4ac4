"""The task of a loss function: classification, multi-label or regression, with the loss's options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bridle.attaching.loss_probing import LossFunction, probe_task
from bridle.errors import InputError
from bridle.recipe import Recipe, Regularizer

__all__ = [
    "CLASSIFICATION",
    "IGNORED",
    "LOGITS",
    "MULTILABEL",
    "REGRESSION",
    "Objective",
    "as_two_classes",
    "known_objective",
    "objective_of",
]

CLASSIFICATION, MULTILABEL, REGRESSION = TASKS = ("classification", "multilabel", "regression")
LOGITS, PROBABILITIES, SCORES = "logits", "probabilities", "scores"
IGNORED = -100  # by torch's losses of class ids, unless told otherwise


@dataclass(frozen=True)
class Objective:
    """The known facts about a loss; ``task`` is empty if it is unknown."""

    task: str = ""
    name: str = ""  # what says so
    outputs: str = LOGITS  # what the loss takes the outputs for
    ids_only: bool = False  # whether targets are class ids and nothing else
    signed: bool = False  # whether yes and no are 1 and -1
    is_given: bool = False  # whether there is a loss
    is_torch_loss: bool = False  # whether it is one of torch's, with the options that follow
    weight: Tensor | None = None  # of each class
    ignored: int | None = IGNORED  # the id of rows that do not count
    smoothing: float = 0.0
    reduction: str = "mean"


CLASSES = Objective(CLASSIFICATION, is_torch_loss=True)
IDS = replace(CLASSES, ids_only=True)
YES_OR_NO = Objective(MULTILABEL, is_torch_loss=True)
NUMBERS = Objective(REGRESSION, is_torch_loss=True)
MODULES: dict[type[nn.Module], Objective] = {
    nn.CrossEntropyLoss: CLASSES,
    nn.KLDivLoss: CLASSES,
    nn.NLLLoss: IDS,
    nn.MultiMarginLoss: replace(IDS, outputs=SCORES),
    nn.BCEWithLogitsLoss: YES_OR_NO,
    nn.MultiLabelSoftMarginLoss: YES_OR_NO,
    nn.BCELoss: replace(YES_OR_NO, outputs=PROBABILITIES),
    nn.SoftMarginLoss: replace(YES_OR_NO, signed=True),
    nn.MultiLabelMarginLoss: replace(YES_OR_NO, outputs=SCORES, ids_only=True),
    **dict.fromkeys((nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.PoissonNLLLoss), NUMBERS),
}
FUNCTIONS: dict[Callable[..., Any], Objective] = {
    F.cross_entropy: CLASSES,
    F.kl_div: CLASSES,
    F.nll_loss: IDS,
    F.multi_margin_loss: MODULES[nn.MultiMarginLoss],
    F.binary_cross_entropy_with_logits: YES_OR_NO,
    F.multilabel_soft_margin_loss: YES_OR_NO,
    F.binary_cross_entropy: MODULES[nn.BCELoss],
    F.soft_margin_loss: MODULES[nn.SoftMarginLoss],
    F.multilabel_margin_loss: MODULES[nn.MultiLabelMarginLoss],
    **dict.fromkeys((F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.poisson_nll_loss), NUMBERS),
}
OPTIONS = {"weight": None, "ignore_index": IGNORED, "label_smoothing": 0.0, "reduction": "mean"}


def objective_of(loss: LossFunction | None, task: str | None, recipe: Recipe, outputs: int | None) -> Objective:
    """Return the objective of a loss: as the user says, by its type, or by probing it.

    It is probed only if the recipe needs it. ``ValueError`` if it stays unknown then, or does not fit the recipe.
    """
    if task is not None and task not in TASKS:
        raise InputError(f"task must be one of {', '.join(TASKS)}, got {task!r}")
    for_classes = [unit for unit in recipe if unit.classes_only]
    objective = known_objective(loss)
    if task is not None and task != objective.task:
        objective = Objective(task, f"task={task!r}", is_given=loss is not None)
    elif loss is not None and not objective.task and (for_classes or recipe.at("batch")):
        objective = replace(objective, task=probe_task(loss, outputs))
    for unit in for_classes:
        check_objective(unit, objective)
    return objective


def known_objective(loss: LossFunction | None) -> Objective:
    """Return the objective of torch's loss modules and functions, partials of them included."""
    if loss is None:
        return Objective()
    if isinstance(loss, nn.Module):
        objective = next((each for kind, each in MODULES.items() if type(loss).forward is kind.forward), None)
        options = {name: getattr(loss, name, default) for name, default in OPTIONS.items()}
        return with_options(objective, type(loss).__name__, options)
    filled: dict[str, Any] = {}
    function: Callable[..., Any] | None = loss
    while isinstance(function, partial):
        filled = {**function.keywords, **filled}
        function = None if function.args else function.func
    name = getattr(function, "__name__", type(function).__name__)
    if isinstance(function, nn.Module):
        return replace(known_objective(function), is_torch_loss=not filled)
    return with_options(FUNCTIONS.get(function) if callable(function) else None, name, filled)


def with_options(objective: Objective | None, name: str, options: Mapping[str, Any]) -> Objective:
    """Return the objective with the options of the loss."""
    if objective is None:
        return Objective(name=name, is_given=True)
    told = {**OPTIONS, **options}
    by_class = objective.task == CLASSIFICATION
    return replace(
        objective,
        name=name,
        is_given=True,
        weight=told["weight"] if by_class else None,
        ignored=told["ignore_index"] if by_class else None,
        smoothing=float(told["label_smoothing"]),
        reduction=str(told["reduction"]),
    )


def check_objective(unit: Regularizer, objective: Objective) -> None:
    """Raise ``ValueError`` for a regularizer of classes if the loss has none, or its task is unknown."""
    if objective.is_given and not objective.task:
        raise InputError(
            f"{unit!r} must know what the outputs are, and {objective.name} does not tell: attach(..., task=...), "
            f'"{CLASSIFICATION}" for a softmax over the classes, "{MULTILABEL}" for a sigmoid of each output, or '
            f'"{REGRESSION}"'
        )
    if objective.task == REGRESSION:
        raise InputError(f"{unit!r} is for classes, and {objective.name} compares numbers; leave it out")
    if unit.on_outputs and objective.outputs != LOGITS:
        raise InputError(
            f"{unit!r} needs logits, and {objective.name} takes outputs for {objective.outputs}; let the model give "
            f"logits, with CrossEntropyLoss or BCEWithLogitsLoss"
        )
    if objective.signed and not unit.on_outputs:
        raise InputError(
            f"{unit!r} takes targets for probabilities, and those of {objective.name} are 1 and -1; take "
            f"BCEWithLogitsLoss, with 1 and 0"
        )


def as_two_classes(chances: Tensor, others: Tensor) -> Tensor:
    """Stack (batch, outputs) of yes and of no to (outputs, batch, 2): each label is a choice of two classes."""
    return torch.stack((chances, others), -1).movedim(1, 0)
