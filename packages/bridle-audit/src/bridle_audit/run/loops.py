"""``watch``: the rules on a training loop while it runs."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn
from torch.optim import Optimizer

from bridle_audit.run.selection import select_rules
from bridle_audit.watching.average_updates import GradientScaler
from bridle_audit.watching.watcher import Watcher

__all__ = ["watch"]


def watch(
    model: nn.Module,
    optimizer: Optimizer,
    *,
    averaged: nn.Module | None = None,
    scaler: GradientScaler | None = None,
    allow: Sequence[str] = (),
) -> Watcher:
    """Watch a training loop for the mistakes that only show while it runs.

    Put it around the loop, which stays as it is; ``watcher.findings`` may be read within and behind::

        with bridle_audit.watch(model, optimizer) as watcher:
            for epoch in range(epochs):
                ...
        print(watcher.findings)

    Hooks count what happens: which layers run in which mode, which batch moves running statistics, whether a step moves
    what is frozen, when an average is taken. Model, optimizer and random numbers are left alone, and behind the block,
    also where an exception leaves it, the hooks are off. While they are on, torch's transformer encoders do not take
    their fast path in evaluation.

    Args:
        model: as the loop calls it; what is within ``torch.compile`` or ``DistributedDataParallel`` is found. Where
            the loop calls something else, so that steps are seen and no pass, a warning says so.
        optimizer: whose steps are the loop's steps.
        averaged: the averaged model, such as an ``AveragedModel``, whose updates are counted.
        scaler: the loop's ``GradScaler``, to know which steps it has skipped.
        allow: names of rules that are not checked.

    Raises ``ValueError`` for what is no model or no optimizer, for an average without parameters, and for a name in
    ``allow`` that is no rule's.

    >>> import torch
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> x = torch.randn(16, 4)
    >>> with watch(model, optimizer) as watcher:
    ...     for step in range(8):
    ...         model(x).square().mean().backward()
    ...         optimizer.step()
    ...         optimizer.zero_grad()
    ...     with torch.no_grad():
    ...         valid = model(torch.randn(4, 4))
    >>> watcher.findings.rules
    ['validation-in-training-mode']
    """
    rules = select_rules(allow)
    return Watcher(model, optimizer, averaged=averaged, scaler=scaler, rules=rules)
