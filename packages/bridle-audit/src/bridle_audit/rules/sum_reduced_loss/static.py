"""Sums that are trained on as they are, in a file with a penalty or with decay in SGD."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.sum_reduced_loss.finding import CURE
from bridle_audit.static import Program
from bridle_audit.static.dataflow.def_use import DefUse
from bridle_audit.static.dataflow.penalties import penalties_of
from bridle_audit.static.dataflow.use_chains import use_chains
from bridle_audit.static.interpreter import ComputedLoss


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a summed loss in a file with a penalty or with decay in SGD."""
    sums = [each for each in program.losses if each.reduction == "sum" and not each.under_no_grad]
    if not sums:
        return
    regularized = has_decayed_sgd(program) or any(
        each.in_loss and each.detached is None for each in penalties_of(program)
    )
    def_use = DefUse(program)
    for loss in sums if regularized else ():
        if is_trained_undivided(program, def_use, loss):
            yield Finding(
                program.source(loss.constructor.node),
                'with reduction="sum" the loss grows with the batch, and the penalty or the decay does not: how strong '
                "it is depends on the batch size",
                CURE,
                location=loss.constructor.location,
            )


def has_decayed_sgd(program: Program) -> bool:
    """Return True if the file has an SGD optimizer with weight decay."""
    names = ("torch.optim.SGD", "torch.optim.ASGD")
    return any(
        each.name in names and isinstance(each.decay, int | float) and each.decay > 0 for each in program.optimizers
    )


def is_trained_undivided(program: Program, def_use: DefUse, loss: ComputedLoss) -> bool:
    """Return True if ``backward`` is called on a loss that is not divided by the number of rows."""
    chains = [chain for chain in use_chains(def_use, loss.node) if chain.end == "loss"]
    return bool(chains) and not any(isinstance(step.node.op, ast.Div) for chain in chains for step in chain.steps)
