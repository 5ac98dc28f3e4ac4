"""Dropout layers and functions with an extreme rate."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.layers import drop_rate
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.extreme_dropout.finding import EXTREME, cure, message


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for dropout layers and functions with an extreme rate."""
    rates = {name: drop_rate(each) or 0.0 for name, each in setup.dropouts.items()}
    rates |= {use.site: use.rate for use in setup.function_calls if use.rate > rates.get(use.site, 0.0)}
    for where, rate in rates.items():
        if rate >= EXTREME:
            yield Finding(where, message(rate), cure(rate), {"rate": rate}, severity="error" if rate >= 1 else "")
