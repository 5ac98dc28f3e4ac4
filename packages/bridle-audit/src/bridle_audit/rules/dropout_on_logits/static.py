"""The last thing that happens to the logits, in training, is a dropout."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.dropout_on_logits.finding import CURE
from bridle_audit.static import Program
from bridle_audit.static.dataflow.dropping import dropout_rate


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a network whose last operation in training is a dropout."""
    for loss in program.losses:
        op = loss.last
        rate = None if op is None or loss.under_no_grad else dropout_rate(op)
        if op is None or not rate:
            continue
        yield Finding(
            program.source(op.node),
            f"dropout of {rate:g} falls on what the loss is computed from: nothing that is learned brings these back",
            CURE,
            location=op.location,
        )
