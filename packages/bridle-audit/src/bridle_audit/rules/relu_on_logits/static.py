"""The last thing that happens to the logits, but for dropout, is a ReLU."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.relu_on_logits.finding import CURE
from bridle_audit.static import Program

PASSING = ("dropout", "flatten", "reshape")  # what leaves a zero a zero


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a network whose last operation, other than dropout, is a ReLU."""
    for loss in program.losses:
        last = next((op for op in reversed(loss.logits) if op.kind not in PASSING), None)
        if loss.kind in ("cross_entropy", "bce_logits") and last is not None and last.kind == "activation:relu":
            yield Finding(
                program.source(last.node),
                "the logits pass through a ReLU before the loss: none is negative, and those at zero have no gradient",
                CURE,
                location=last.location,
            )
