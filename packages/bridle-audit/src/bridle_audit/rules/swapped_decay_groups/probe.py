"""Groups whose parameters are those of the other."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.swapped_decay_groups.finding import CURE
from bridle_audit.wording import first_names


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for a decayed group of biases and norms beside a group of weights without decay."""
    idle = [group for group in setup.groups if not group.weight_decay]
    free = [
        name for group in idle for name in group.names if not setup.is_vector(name) and setup.is_weight_matrix(name)
    ]
    for group in setup.groups:
        if not group.weight_decay or not free or group.foreign_shapes:
            continue
        if all(map(setup.is_vector, group.names)):
            yield Finding(
                str(group),
                f"weight_decay={group.weight_decay:g} is that of {len(group.names)} biases, scales and the like, while "
                f"{len(free)} matrices have none: {first_names(free)}",
                CURE,
                {"vectors with decay": len(group.names), "matrices without": len(free)},
            )
