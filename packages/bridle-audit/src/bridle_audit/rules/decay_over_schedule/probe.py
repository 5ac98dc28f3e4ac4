"""Groups whose decay is negligible or crushing at the end."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bridle_audit.decay.measurement import COUPLED, DECOUPLED
from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup

NOTHING, EVERYTHING = 0.99, 1e-3  # what is left


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for a group whose decay over the whole schedule is negligible or too strong."""
    for group in setup.groups if setup.rates else ():
        rates = setup.rates[group.index]
        if group.decay.kind not in (DECOUPLED, COUPLED) or not group.weight_decay:
            continue
        left = math.prod(max(0.0, 1 - group.decay.share(rate)) for rate in rates)
        if EVERYTHING <= left <= NOTHING:
            continue
        highest = group.decay.share(max(rates))
        memory = 1 / highest if highest > 0 else math.inf
        yield Finding(
            str(group),
            f"weight_decay={group.weight_decay:g} alone leaves {left:.3%} of a weight after {len(rates)} steps: "
            "weights remember "
            f"{memory:.3g} steps at the highest learning rate",
            f"weight_decay={suggested_decay(group.weight_decay, left):.2g}  # leaves a half after {len(rates)} steps",
            {"left": left, "memory in steps": memory},
            severity="warning" if left < EVERYTHING else "",
        )


def suggested_decay(strength: float, left: float) -> float:
    """Return the weight decay that would leave half of a weight by the end of the schedule."""
    if left <= 0:
        return strength / 10
    return strength * math.log(0.5) / math.log(left) if left < 1 else strength
