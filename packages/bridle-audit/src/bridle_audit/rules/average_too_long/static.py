"""A decay that is stated, and loops whose lengths are."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.average_too_long.finding import MUCH, cure
from bridle_audit.static import Program
from bridle_audit.static.dataflow.averaging import average_decays


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a stated decay that leaves a large share to the first weights after all steps."""
    for node, decay, steps in average_decays(program):
        left = decay ** (steps - 1)
        if left >= MUCH:
            yield Finding(
                program.source(node),
                f"a decay of {decay:.6g} for {steps} steps: {left:.0%} of the average is still what went in first",
                cure(steps),
                {"decay": decay, "steps": steps, "left of the first weights": left},
                location=program.location(node),
            )
