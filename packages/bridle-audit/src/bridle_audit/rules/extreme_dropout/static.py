"""Dropouts with an extreme rate in the source."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.extreme_dropout.finding import EXTREME, cure, message
from bridle_audit.static import Program
from bridle_audit.static.dataflow.stated import stated_number
from bridle_audit.static.libraries.drop_rates import drop_rates
from bridle_audit.static.libraries.kinds import kind_of


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a dropout with an extreme rate in the source."""
    calls = [each for each in program.all_calls if kind_of(each.name) == "dropout"]
    stated = [(each, stated_number(each, *argument)) for each in calls for argument in drop_rates(each.name)]
    for call, rate in stated:
        if rate is not None and rate >= EXTREME:
            severity = "error" if rate >= 1 else ""
            yield Finding(
                program.source(call.node), message(rate), cure(rate), location=call.location, severity=severity
            )
