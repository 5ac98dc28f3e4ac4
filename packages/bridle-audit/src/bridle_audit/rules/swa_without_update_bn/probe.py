"""A plain mean whose norms hold the statistics of other weights."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.averages import Average
from bridle_audit.probe.setup import Setup, described
from bridle_audit.rules.swa_without_update_bn.finding import CURE


def check(setup: Setup) -> Iterator[Finding]:
    """A plain mean whose norms hold the statistics of other weights."""
    if setup.averaged is None:
        return
    average = Average(setup.averaged, setup.model)
    borrowed = average.borrowed
    if not borrowed or not average.is_mean or average.distance == 0:
        return
    yield Finding(
        described(borrowed),
        f"{len(borrowed)} of {len(average.batch_norms)} batch norms hold the statistics of the current network, bit "
        f"for bit, but the averaged weights are {average.distance:.1%} of their length away from its",
        CURE,
        {"batch norms": len(borrowed), "distance": average.distance},
    )
