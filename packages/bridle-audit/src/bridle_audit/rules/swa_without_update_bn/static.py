"""An ``AveragedModel`` that takes a plain mean of a network with batch norm, is used, and never measured."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.swa_without_update_bn.finding import CURE
from bridle_audit.static import Program
from bridle_audit.static.dataflow.averaging import (
    AVERAGED,
    averages_buffers,
    estimates_statistics,
    is_exponential,
    is_used,
)
from bridle_audit.static.dataflow.modes import has_batch_norm


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for an ``AveragedModel`` with batch norm that is used without ``update_bn``."""
    for call in program.calls(AVERAGED):
        if is_exponential(call) is not False or averages_buffers(call) or estimates_statistics(program):
            continue
        if has_batch_norm(program, call.argument(0, "model")) and is_used(program, call):
            yield Finding(
                program.source(call.node),
                "the averaged network is used with the batch norm statistics of the last weights: nothing in this file "
                "measures its own",
                CURE,
                location=call.location,
            )
