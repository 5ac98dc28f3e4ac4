"""A penalty that is a number and nothing else, though there is something to train."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.detached_penalty.finding import CURE


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for a penalty without a gradient for any trainable parameter."""
    value = setup.penalty_value
    trained = [each for each in setup.parameters.values() if each.requires_grad]
    if value is None or value.requires_grad or not trained:
        return
    yield Finding(
        "the penalty",
        f"its value is {value.sum().item():.4g} and has no gradient: it moves none of the {len(trained)} parameters",
        CURE,
        {"penalty": value.sum().item(), "parameters": len(trained)},
    )
