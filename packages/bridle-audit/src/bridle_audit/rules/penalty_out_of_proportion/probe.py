"""The penalty beside the loss, and their gradients beside each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from torch import Tensor

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup

MOST, LEAST = 10.0, 1e-6  # of the loss of the data


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for a penalty that is too large or too small next to the loss."""
    if setup.penalty_value is None or not setup.penalty_gradients or not setup.training or not setup.training.loss:
        return
    penalty, loss = setup.penalty_value.sum().item(), abs(setup.training.loss)
    theirs, ours = total_norm(setup.penalty_gradients.values()), total_norm(setup.training.gradients.values())
    if ours == 0 or theirs == 0:
        return
    is_all = penalty > MOST * loss and theirs > ours
    is_nothing = 0 < penalty < LEAST * loss and theirs < LEAST * ours
    if is_all or is_nothing:
        factor = loss / penalty / 10
        yield Finding(
            "the penalty",
            f"the penalty is {penalty:.3g}, the loss of the data {loss:.3g}; its gradient is {theirs / ours:.2g} "
            "times as long",
            f"penalty = {factor:.1g} * penalty  # about a tenth of the loss to begin with; then tune it",
            {"penalty": penalty, "loss": loss, "gradients": theirs / ours},
        )


def total_norm(gradients: Iterable[Tensor]) -> float:
    """Return the norm of all gradients together."""
    return math.sqrt(sum(float(each.double().square().sum()) for each in gradients))
