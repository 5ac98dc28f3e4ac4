"""``audit``: the rules on a model and its training, or on an object for which another package has rules."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn
from torch.optim import Optimizer

from bridle_audit.decay.penalty_effects import Penalty
from bridle_audit.decay.rates import ScheduleLike
from bridle_audit.errors import InputError
from bridle_audit.findings import Findings
from bridle_audit.probe.batch import LossFunction
from bridle_audit.probe.copying import fixed_seed
from bridle_audit.probe.setup import Setup
from bridle_audit.run.selection import select_rules
from bridle_audit.run.subjects import other_subjects, recognize

__all__ = ["audit"]


def audit(
    subject: object,
    optimizer: Optimizer | None = None,
    loss: LossFunction | None = None,
    batch: object = None,
    *,
    scheduler: ScheduleLike = None,
    steps: int | None = None,
    averaged: nn.Module | None = None,
    penalty: Penalty | None = None,
    allow: Sequence[str] = (),
) -> Findings:
    """Find the regularization mistakes, each with the number that was measured, and what to write instead.

    A model is copied, walked through and run on one batch in both modes; nothing is trained. The model, its buffers,
    the optimizer's state and the random numbers of the program are bit for bit what they were. The more is given, the
    more rules can look: an optimizer for weight decay, a loss and a batch for everything that is measured.

    Args:
        subject: a model; where bridle is installed, also a recipe or its text, before training, or a finished study,
            for its curves; whatever else a package has registered (:mod:`bridle_audit.run.subjects`).
        optimizer: of the model, as the loop uses it.
        loss: ``loss(output, y)``, a function or a module; what it is, is measured.
        batch: ``(x, y)``; x may be a tuple or a dictionary of the model's inputs; or a ``DataLoader``, whose first
            batch is taken. 8 rows are enough.
        scheduler: of the learning rate; it is followed on a copy.
        steps: how many steps the optimizer will take in the whole training.
        averaged: the averaged model (SWA, EMA), as it is now.
        penalty: ``penalty(model)``, a penalty that the loop adds to the loss by hand, as a number with its graph.
        allow: names of rules that are not checked.

    Raises ``ValueError`` where a name in ``allow`` is no rule's, where the model cannot be copied, or where it does not
    take the batch.

    >>> import torch
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), nn.Softmax(dim=1))
    >>> found = audit(model, loss=nn.CrossEntropyLoss(), batch=(torch.randn(8, 4), torch.arange(8) % 3))
    >>> found.rules
    ['softmax-before-cross-entropy']
    """
    rules = select_rules(allow)
    if isinstance(subject, nn.Module):
        with fixed_seed():
            setup = Setup.of(
                subject, optimizer, loss, batch, scheduler=scheduler, steps=steps, averaged=averaged, penalty=penalty
            )
            return Findings.of(each for rule in rules for each in rule.find("probe", setup))
    found = recognize(subject)
    if found is None:
        raise InputError(
            f"audit takes a torch.nn.Module{other_subjects()}, got {type(subject).__name__}; files are read by "
            "`bridle-audit PATH`"
        )
    kind, evidence = found
    return Findings.of(each for rule in rules for each in rule.find(kind, evidence))
