"""Outputs at zero and above, in front of a loss that wants logits."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.relu_on_logits.finding import CURE


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for outputs that are never negative before a loss that takes logits."""
    if setup.loss is None or not setup.loss.takes_logits:
        return
    logits = setup.loss.logits
    zeros = float((logits == 0).float().mean())
    if float(logits.min()) < 0 or zeros == 0 or (zeros == 1 and has_weight_gradient(setup)):
        return
    silent = float((logits == 0).flatten(1).all(1).float().mean())
    yield Finding(
        "the model's output",
        f"no output of {logits.numel()} is negative and {zeros:.0%} are exactly zero: these logits are clamped "
        "and have "
        f"no gradient; in {silent:.0%} of the rows that is all of them",
        CURE,
        {"zeros": zeros, "rows without a gradient": silent},
    )


def has_weight_gradient(setup: Setup) -> bool:
    """Return True if any weight matrix has a gradient, so that training can move outputs off zero."""
    gradients = setup.training.gradients if setup.training else {}
    return any(each.ndim > 1 and bool(each.any()) for each in gradients.values())
