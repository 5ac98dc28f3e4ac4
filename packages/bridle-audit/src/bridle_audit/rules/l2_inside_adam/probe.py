"""Groups whose decay is rescaled, by what the optimizer does."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.decay.measurement import RESCALED
from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.l2_inside_adam.finding import cure


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for groups whose decay the optimizer rescales."""
    for group in setup.groups:
        decay = group.decay
        if decay.kind != RESCALED:
            continue
        measured = (
            f"an idle weight of 1 loses {decay.share_per_step:.2g} of itself per step, and twice the decay would take "
            f"{decay.twice:.3f} times as much"
            if decay.measured
            else f"known by the name, as no {setup.optimizer_name} could be tried out"
        )
        yield Finding(
            str(group),
            f"weight_decay={decay.strength:g} goes into the gradient, which {setup.optimizer_name} rescales: "
            f"{measured}",
            cure(setup.optimizer_name),
            {"share lost per step": decay.share_per_step, "effect of twice the decay": decay.twice},
        )
