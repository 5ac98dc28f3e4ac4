"""Parameters of one axis in groups that decay."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.decay.measurement import NONE
from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.wording import first_names

CURE = """groups = [
    {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": weight_decay},
    {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
]"""


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for groups that decay biases and other vectors."""
    for group in setup.groups:
        if group.decay.kind == NONE or group.decay.share_per_step == 0:
            continue
        names = [name for name in group.names if setup.is_vector(name)]
        if not names:
            continue
        share = group.decay.share_per_step
        norms = sum(name.rpartition(".")[0] in setup.norms for name in names)
        yield Finding(
            str(group),
            f"{len(names)} biases, scales and the like ({norms} of norms) decay with the weights: "
            f"{first_names(names)}; each loses "
            f"{share:.2g} of itself per step, half of itself in {setup.half_life(group):.3g} steps",
            CURE,
            {"parameters": len(names), "share lost per step": share, "half-life in steps": setup.half_life(group)},
        )
