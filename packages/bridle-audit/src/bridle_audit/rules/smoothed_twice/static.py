"""A loss that smooths, and targets whose way to it shows that they are smoothed."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.smoothed_twice.finding import CURE, LEAST
from bridle_audit.static import Program
from bridle_audit.static.dataflow.smoothing import smoothed_targets


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a loss with label smoothing whose targets are smoothed in the source."""
    for loss in program.losses:
        second = loss.smoothing
        if loss.under_no_grad or not isinstance(second, int | float) or second < LEAST:
            continue
        target = loss.target or fit_targets(program)
        first = smoothed_targets(program, target) if target is not None else None
        if first is not None and first >= LEAST:
            together = 1 - (1 - first) * (1 - second)
            yield Finding(
                loss.constructor.name,
                f"the targets are smoothed by {first:.3g} and the loss smooths them by {second:.3g} again: together "
                f"that is {together:.3g}",
                CURE,
                {"in the targets": first, "in the loss": float(second), "together": together},
                location=loss.constructor.location,
            )


def fit_targets(program: Program) -> ast.expr | None:
    """Return the targets of the only ``fit`` call of a file that uses Keras."""
    calls = program.calls("method:fit")
    return calls[0].argument(1, "y") if len(calls) == 1 else None
