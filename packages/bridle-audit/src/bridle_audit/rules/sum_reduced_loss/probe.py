"""A sum beside a penalty, or beside decay that is added to its gradient."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.decay.measurement import COUPLED
from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.sum_reduced_loss.finding import CURE


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for a summed loss beside a penalty or coupled decay."""
    if setup.loss is None or not setup.loss.is_sum:
        return
    decays = [group.weight_decay for group in setup.groups if group.decay.kind == COUPLED and group.weight_decay > 0]
    if setup.penalty is None and not decays:
        return
    rows = len(setup.loss.logits)
    what = "the penalty" if setup.penalty is not None else f"weight_decay={decays[0]:g}"
    yield Finding(
        "the loss",
        f"it is a sum over {rows} rows, and twice the rows make it twice as large: {what} counts as much as 1/{rows} "
        "of it would beside a mean, and half as much in a batch twice as large",
        CURE,
        {"rows": rows},
    )
