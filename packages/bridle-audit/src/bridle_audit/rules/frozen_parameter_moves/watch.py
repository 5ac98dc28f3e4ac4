"""Frozen parameters that steps have moved."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.frozen_parameter_moves.finding import CURE
from bridle_audit.watching.record import LoopRecord
from bridle_audit.wording import first_names


def check(record: LoopRecord) -> Iterator[Finding]:
    """Yield a finding for frozen parameters that steps have moved."""
    if not record.frozen_parameters:
        return
    worst = max(record.frozen_parameters, key=lambda each: each.change / max(each.norm, each.change))
    of_itself = f" ({worst.change / worst.norm:.1%} of its norm)" if worst.norm > 0 else ""
    yield Finding(
        first_names([each.name for each in record.frozen_parameters]),
        f"{worst.name} has requires_grad=False, and the optimizer has moved it by {worst.change:.3g}{of_itself}: it "
        "holds a gradient from earlier, with which weight decay and momentum go on",
        CURE,
        {"change": worst.change, "norm": worst.norm, "parameters": len(record.frozen_parameters)},
    )
