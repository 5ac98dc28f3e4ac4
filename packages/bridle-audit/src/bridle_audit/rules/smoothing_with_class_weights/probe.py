"""The module's own weights and smoothing."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.smoothing_with_class_weights.finding import CURE, describe_distortion, wrong_class_shares


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for a loss module whose class weights distort its label smoothing."""
    if setup.loss is None or setup.loss.class_weights is None:
        return
    weights = [float(each) for each in setup.loss.class_weights]
    smoothing = float(getattr(setup.loss.function, "label_smoothing", 0.0))
    if message := describe_distortion(weights, smoothing):
        worst = max(wrong_class_shares(weights, smoothing))
        yield Finding("the loss", message, CURE, {"smoothing": smoothing, "goes to other classes": worst})
