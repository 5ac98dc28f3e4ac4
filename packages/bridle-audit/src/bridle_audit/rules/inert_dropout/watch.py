"""Dropouts that were never called in a pass with gradients."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.watching.record import LoopRecord
from bridle_audit.wording import first_names

ATTENTION = "att"  # in attn, attention, SelfAttention


def check(record: LoopRecord) -> Iterator[Finding]:
    """Yield a finding for dropouts that were never called in a pass with gradients."""
    if not record.passes:
        return
    dropouts = [each for each in record.layers if each.kind == "dropout" and each.rate]
    called = {each.name.rpartition(".")[2] for each in dropouts if each.training_calls + each.evaluation_calls}
    idle = [
        each
        for each in dropouts
        if not each.training_calls + each.evaluation_calls
        and each.name.rpartition(".")[2] not in called
        and ATTENTION not in each.name.lower()
    ]
    if not idle:
        return
    first = idle[0]
    yield Finding(
        first_names([each.name for each in idle]),
        f"{first.name} (rate {first.rate:g}) was called in none of the {record.passes} passes with gradients",
        f"h = self.{first.name.rpartition('.')[2]}(h)  # call it in forward; or take it out",
        {"passes": record.passes, "modules": len(idle)},
    )
