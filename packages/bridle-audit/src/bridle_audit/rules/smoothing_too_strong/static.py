"""Losses with a label smoothing that leaves little information, at most 1 - smoothing of it."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.smoothing_too_strong.finding import CURE, LITTLE, NOTHING
from bridle_audit.static import Program
from bridle_audit.static.dataflow.smoothing import classes_of, remaining_information, smoothing_calls


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for each loss whose label smoothing leaves little information in the labels."""
    for call, smoothing in smoothing_calls(program):
        classes = classes_of(program, call)
        left = remaining_information(smoothing, classes) if classes else 1 - smoothing
        if left >= LITTLE:
            continue
        of, at_most = (f"labels of {classes} classes", "") if classes else ("labels", "at most ")
        yield Finding(
            call.name,
            f"{of} are smoothed by {smoothing:g}, which leaves {at_most}{left:.1%} of what they say",
            CURE,
            {"smoothing": smoothing, "information left": left},
            location=call.location,
            severity="error" if left < NOTHING else "",
        )
