"""Weights whose scale does not matter, and grows."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.watching.record import LoopRecord
from bridle_audit.wording import first_names

CURE = (
    'torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}], lr=1e-3)'
)
ALIGNED = 1e-4  # ordinary weights are near 1e-2; a norm's eps leaves some 1e-5
GROWTH = 1.5


def check(record: LoopRecord) -> Iterator[Finding]:
    """Yield a finding for undecayed scale-invariant weights whose norm grows."""
    lowest, highest = record.learning_rates
    invariant = [each for each in record.undecayed_weights if each.alignment < ALIGNED and each.start_norm > 0]
    growing = [each for each in invariant if each.end_norm >= GROWTH * each.start_norm]
    if not growing or lowest != highest:
        return
    worst = max(growing, key=lambda each: each.end_norm / each.start_norm)
    growth = worst.end_norm / worst.start_norm
    yield Finding(
        first_names([each.name for each in growing]),
        f"the norm of {worst.name} grew {growth:.2f}-fold in {record.steps} steps; its scale changes nothing in the "
        f"function, but a step of the same length now turns it by 1/{growth:.2f} of what it did",
        CURE,
        {"growth": growth, "steps": record.steps},
    )
