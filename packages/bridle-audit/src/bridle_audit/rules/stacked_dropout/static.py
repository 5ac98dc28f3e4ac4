"""Two dropouts in a row in a network's flow."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from bridle_audit.findings import Finding
from bridle_audit.rules.stacked_dropout.finding import cure, said
from bridle_audit.static import Op, Program, value_changing


def check(program: Program) -> Iterator[Finding]:
    """Two dropouts in a row in a network's flow."""
    for network in program.networks:
        for first, second in pairwise(value_changing(network.flow)):
            rates = rate_of(first), rate_of(second)
            if rates[0] and rates[1]:
                where = program.source(first.node)
                yield Finding(
                    program.source(second.node),
                    said(rates[0], rates[1], where),
                    cure(rates[1]),
                    location=second.location,
                )


def rate_of(op: Op) -> float | None:
    """The rate of a dropout; None for anything else, and where it is not known."""
    return op.number(0 if op.is_layer else 1, "p", 0.5) if op.kind == "dropout" else None
