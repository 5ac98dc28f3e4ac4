"""Two dropouts in a row in a network's flow."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from bridle_audit.findings import Finding
from bridle_audit.rules.stacked_dropout.finding import cure, message
from bridle_audit.static import Op, Program, value_changing


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


def dropout_rate(op: Op) -> float | None:
    """Return the rate of a dropout layer; None for any other layer, or an unknown rate."""
    return op.number(0 if op.is_layer else 1, "p", 0.5) if op.kind == "dropout" else None
