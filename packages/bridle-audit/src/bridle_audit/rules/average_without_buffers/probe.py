"""Norms with the statistics of other weights, or of none."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.probe.weight_average import WeightAverage
from bridle_audit.rules.average_without_buffers.finding import CURE
from bridle_audit.wording import first_names


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for norms of an averaged model whose statistics belong to other weights, or to none."""
    if setup.averaged is None:
        return
    average = WeightAverage(setup.averaged, setup.model)
    every, numbers = len(average.batch_norms), {"distance": average.distance}
    away = f"the averaged weights are {average.distance:.1%} of their length away from the current ones"
    if average.distance > 0 and average.norms_with_initial_statistics:
        count = len(average.norms_with_initial_statistics)
        message = f"{count} of {every} batch norms have mean 0 and variance 1, those of a new layer, but {away}"
        yield Finding(
            first_names(average.norms_with_initial_statistics),
            message,
            CURE,
            {"batch norms": count, **numbers},
            severity="error",
        )
    elif average.distance > 0 and average.norms_with_current_statistics and not average.is_plain_mean:
        count = len(average.norms_with_current_statistics)
        message = f"{count} of {every} batch norms hold the statistics of the current network, bit for bit, but {away}"
        yield Finding(
            first_names(average.norms_with_current_statistics), message, CURE, {"batch norms": count, **numbers}
        )
