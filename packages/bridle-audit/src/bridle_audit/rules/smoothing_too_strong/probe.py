"""Label smoothing of the loss and of the targets that together leave little information."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.smoothing_too_strong.finding import CURE, LITTLE, NOTHING
from bridle_audit.static.dataflow.smoothing import remaining_information


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding if the smoothing of loss and targets together leaves little information in the labels."""
    if setup.loss is None or setup.loss.class_count < 2:
        return
    classes = setup.loss.class_count
    smoothing = 1 - (1 - setup.loss.label_smoothing) * (1 - setup.loss.target_smoothing)
    left = remaining_information(smoothing, classes)
    if left >= LITTLE:
        return
    floor, guess = (1 - left) * math.log(classes), math.log(classes)
    yield Finding(
        "the loss",
        f"labels of {classes} classes are smoothed by {smoothing:.3g}, which leaves {left:.1%} of what they say: a "
        f"perfect network has a loss of {floor:.3f}, a guess {guess:.3f}",
        CURE,
        {"smoothing": smoothing, "information left": left, "floor": floor},
        severity="error" if left < NOTHING else "",
    )
