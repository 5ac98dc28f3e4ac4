"""Two dropouts in a row in a network's flow."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from bridle_audit.findings import Finding
from bridle_audit.rules.stacked_dropout.finding import cure, message
from bridle_audit.static import Program, value_changing
from bridle_audit.static.dataflow.dropping import dropout_rate


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for two dropouts in a row in a network."""
    for network in program.networks:
        for first, second in pairwise(value_changing(network.flow)):
            rates = dropout_rate(first), dropout_rate(second)
            if rates[0] and rates[1]:
                where = program.source(first.node)
                yield Finding(
                    program.source(second.node),
                    message(rates[0], rates[1], where),
                    cure(rates[1]),
                    location=second.location,
                )
