"""The share of the first weights, by the function that averages."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.probe.weight_average import WeightAverage
from bridle_audit.rules.average_too_long.finding import MUCH, cure


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding if the averaging function leaves a large share to the first weights."""
    if setup.averaged is None or not setup.steps:
        return
    average = WeightAverage(setup.averaged, setup.model)
    left = average.first_share(setup.steps)
    if left is None or left < MUCH or average.is_plain_mean:
        return
    decay = 1 - (average.newest_share(setup.steps) or 0.0)
    yield Finding(
        "the averaged model",
        f"a decay of {decay:.6g} for {setup.steps} steps: {left:.0%} of the average is still what went in first",
        cure(setup.steps),
        {"decay": decay, "steps": setup.steps, "left of the first weights": left},
    )
