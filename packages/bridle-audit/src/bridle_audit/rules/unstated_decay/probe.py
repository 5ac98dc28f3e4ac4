"""Groups with the default of their class."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for groups with the default weight decay of their optimizer."""
    for group in setup.groups:
        if group.by_default:
            yield Finding(
                str(group),
                f"weight_decay={group.weight_decay:g} is {setup.optimizer_name}'s default: decay halves a weight in "
                f"{setup.half_life(group):.3g} steps",
                f"torch.optim.{setup.optimizer_name}(..., weight_decay=0.0)  # or the strength that you have chosen",
                {"weight_decay": group.weight_decay, "half-life in steps": setup.half_life(group)},
            )
