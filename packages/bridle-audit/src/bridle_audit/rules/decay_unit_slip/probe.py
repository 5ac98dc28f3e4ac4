"""Decoupled decays out of range, in the unit that was measured."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bridle_audit.decay.measurement import DECOUPLED
from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.decay_unit_slip.finding import CURE, MOST_PER_LR, MOST_PER_STEP


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for decoupled decay whose measured strength is out of the usual range."""
    for group in setup.groups:
        decay = group.decay
        most = MOST_PER_LR if decay.lr_power == 1 else MOST_PER_STEP
        if decay.kind != DECOUPLED or group.weight_decay <= most:
            continue
        share = decay.share(setup.peak_lr(group))
        half = math.log(2) / share if share > 0 else math.inf
        yield Finding(
            str(group),
            f"weight_decay={group.weight_decay:g} takes {share:.2g} of every weight per step: half of it is gone "
            f"in {half:.3g} "
            f"steps; over {most:g} is rare in this unit",
            CURE.format(value=group.weight_decay),
            {"share lost per step": share, "half-life in steps": half},
        )
