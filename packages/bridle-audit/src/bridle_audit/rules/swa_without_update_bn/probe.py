"""A plain mean whose norms hold the statistics of other weights."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.probe.weight_average import WeightAverage
from bridle_audit.rules.swa_without_update_bn.finding import CURE
from bridle_audit.wording import first_names


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for an averaged model whose batch norms hold the statistics of other weights."""
    if setup.averaged is None:
        return
    average = WeightAverage(setup.averaged, setup.model)
    borrowed = average.norms_with_current_statistics
    if not borrowed or not average.is_plain_mean or average.distance == 0:
        return
    yield Finding(
        first_names(borrowed),
        f"{len(borrowed)} of {len(average.batch_norms)} batch norms hold the statistics of the current network, bit "
        f"for bit, but the averaged weights are {average.distance:.1%} of their length away from its",
        CURE,
        {"batch norms": len(borrowed), "distance": average.distance},
    )
