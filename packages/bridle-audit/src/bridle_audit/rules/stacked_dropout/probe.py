"""One dropout takes what another gives."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from bridle_audit.findings import Finding
from bridle_audit.probe.batch import same_numbers
from bridle_audit.probe.function_calls import ATTENTION, FunctionCall
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.stacked_dropout.finding import cure, message


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for a dropout on the output of another dropout."""
    attention = set(ATTENTION.values())
    drops = [use for use in setup.function_calls if use.drops and use.function not in attention]
    for first, second in pairwise(drops):
        if follows(first, second):
            total = 1 - (1 - first.rate) * (1 - second.rate)
            numbers = {"first": first.rate, "second": second.rate, "together": total}
            yield Finding(second.site, message(first.rate, second.rate, first.site), cure(second.rate), numbers)


def follows(first: FunctionCall, second: FunctionCall) -> bool:
    """Return True if the second dropout takes the output of the first, unless that is all zeros."""
    if first.output is None or second.input is None or not bool(first.output.any()):
        return False
    return same_numbers(first.output.flatten(), second.input.flatten())
