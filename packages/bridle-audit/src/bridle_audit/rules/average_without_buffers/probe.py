"""Norms with the statistics of other weights, or of none."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.averages import Average
from bridle_audit.probe.setup import Setup, described
from bridle_audit.rules.average_without_buffers.finding import CURE


def check(setup: Setup) -> Iterator[Finding]:
    """Norms with the statistics of other weights, or of none."""
    if setup.averaged is None:
        return
    average = Average(setup.averaged, setup.model)
    every, numbers = len(average.batch_norms), {"distance": average.distance}
    away = f"the averaged weights are {average.distance:.1%} of their length away from the current ones"
    if average.distance > 0 and average.untouched:
        count = len(average.untouched)
        message = f"{count} of {every} batch norms have mean 0 and variance 1, those of a new layer, but {away}"
        yield Finding(described(average.untouched), message, CURE, {"batch norms": count, **numbers}, severity="error")
    elif average.distance > 0 and average.borrowed and not average.is_mean:
        count = len(average.borrowed)
        message = f"{count} of {every} batch norms hold the statistics of the current network, bit for bit, but {away}"
        yield Finding(described(average.borrowed), message, CURE, {"batch norms": count, **numbers})
