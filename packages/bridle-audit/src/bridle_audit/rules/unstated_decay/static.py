"""Optimizers with a nonzero default decay and no stated one."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.static import Program

DEFAULTS = {"torch.optim.AdamW": 0.01, "torch.optim.Muon": 0.1, "keras.optimizers.AdamW": 0.004}


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for an optimizer with a nonzero default decay and no stated one."""
    for each in program.optimizers:
        if each.name not in DEFAULTS or each.decay is not None or each.call.open:
            continue
        if each.groups or each.call.states(None, "weight_decay"):
            continue
        short = each.name.rpartition(".")[2]
        yield Finding(
            each.name,
            f"no weight_decay is stated, and the default of {short} here is {DEFAULTS[each.name]:g}, not 0",
            f"{short}(..., weight_decay={DEFAULTS[each.name]:g})  # or 0.0: the strength that you have chosen",
            location=each.location,
        )
