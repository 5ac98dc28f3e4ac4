"""Steps for which one batch moved statistics more than once."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.watching.record import LoopRecord
from bridle_audit.wording import first_names

CURE = (
    "for norm in norms:\n"
    "    norm.momentum = 0.0  # in front of the second pass, so that it moves nothing; and back to 0.1 behind it"
)


def check(record: LoopRecord) -> Iterator[Finding]:
    """Yield a finding if running statistics are updated more than once for a batch."""
    repeated = record.repeated_batches
    if not repeated.steps:
        return
    each_step = repeated.passes / repeated.steps
    yield Finding(
        first_names([each.name for each in record.layers if each.kind == "norm" and each.training_calls]),
        f"in {repeated.steps} of {record.steps} steps the batch moved the running statistics again after the weights "
        f"had been changed: {each_step:.1f} times per step in place of once",
        CURE,
        {"steps": repeated.steps, "times per step": each_step},
    )
