"""Sums over all parameters of a model that are part of the loss, or in a notebook look like it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.penalized_bias.finding import CURE
from bridle_audit.static import Program
from bridle_audit.static.dataflow.penalties import Penalty, penalties_of


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a penalty over all parameters of a model."""
    for penalty in penalties_of(program):
        if penalty.over == "all" and penalty.kind != "other" and penalty.detached is None and is_penalty(penalty):
            yield Finding(
                penalty.source,
                f"the penalty is over all parameters of {penalty.of}: its biases and its norms are pulled to zero too",
                CURE,
                location=penalty.location,
            )


def is_penalty(penalty: Penalty) -> bool:
    """Return True if a sum is part of the loss, or is multiplied, added to something and then not used."""
    if penalty.in_loss:
        return True
    ends = [chain for chain in penalty.chains if chain.end == "unused"]
    operators = {type(step.node.op) for chain in ends for step in chain.steps}
    return penalty.fate == "unused" and {ast.Mult, ast.Add} <= operators
