"""Adaptive optimizers that add their weight decay to the gradient."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.l2_inside_adam.finding import cure
from bridle_audit.static import UNKNOWN, Program


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for an adaptive optimizer that adds its weight decay to the gradient."""
    for each in program.optimizers:
        if each.framework != "torch" or not each.is_adaptive or each.decoupled is not False:
            continue
        stated = [each.decay, *(group.value("weight_decay", None) for group in each.groups)]
        if any(value is UNKNOWN for value in stated):
            continue
        strengths = [value for value in stated if isinstance(value, int | float) and value > 0]
        if strengths:
            name = each.name.rpartition(".")[2]
            yield Finding(
                each.name,
                f"weight_decay={max(strengths):g} goes into the gradient, which {name} rescales: an idle weight "
                "loses about "
                "one learning rate per step whatever the strength, one with large gradients next to nothing",
                cure(name),
                location=each.location,
            )
