"""More updates than steps, updates for skipped steps, or updates in front of the step."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.watching.record import AverageRecord, LoopRecord

CURE = "optimizer.step()\naveraged.update_parameters(model)  # once, behind the step"
FEW = 0.05  # of all steps: a gradient scaler skips some while it looks for its scale


def check(record: LoopRecord) -> Iterator[Finding]:
    """Yield a finding if an averaged model is updated too often, for skipped steps, or before the step."""
    average = record.average
    if average is None or not record.steps:
        return
    numbers = {"updates": average.updates, "steps": record.steps, "extra": average.extra, "early": average.early}
    sentence = describe_worst_fault(average, record.steps)
    if sentence:
        yield Finding("the averaged model", sentence, CURE, {**numbers, "skipped": average.skipped})


def describe_worst_fault(average: AverageRecord, steps: int) -> str:
    """Return a sentence on the worst fault of the updates; empty if there is none."""
    least = FEW * (steps + average.extra)
    if average.skipped > least:
        return f"{average.skipped} of {average.updates} updates were for steps that the gradient scaler skipped"
    if average.extra > least:
        return f"{average.updates} updates for {steps} steps: {average.extra} averaged weights that had not changed"
    if average.early > FEW * steps:
        return (
            f"{average.early} of {average.updates} updates came between a pass and its step: they average the weights "
            "of the step before"
        )
    return ""
