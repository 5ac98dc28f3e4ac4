"""Targets with the same least share in all rows, and a loss that spreads a share itself."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.smoothed_twice.finding import CURE, LEAST


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for smoothed targets with a loss that smooths them again."""
    if setup.loss is None:
        return
    first, second = setup.loss.target_smoothing, setup.loss.label_smoothing
    if first < LEAST or second < LEAST:
        return
    together = 1 - (1 - first) * (1 - second)
    yield Finding(
        "the loss",
        f"the targets are smoothed by {first:.3g} and the loss smooths them by {second:.3g} again: together that is "
        f"{together:.3g}",
        CURE,
        {"in the targets": first, "in the loss": second, "together": together},
    )
