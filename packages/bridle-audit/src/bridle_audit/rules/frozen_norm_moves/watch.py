"""Norms that are frozen with all that feeds them, and move."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.watching.record import LoopRecord
from bridle_audit.wording import first_names


def check(record: LoopRecord) -> Iterator[Finding]:
    """Yield a finding for frozen norms whose running statistics changed while training."""
    norms = [each for each in record.layers if each.frozen_batches]
    if not norms:
        return
    worst = max(norms, key=lambda each: each.shift)
    part = worst.name.rpartition(".")[0] or worst.name
    yield Finding(
        first_names([each.name for each in norms]),
        f"the running statistics took in {worst.frozen_batches} batches, and the mean of {worst.name} moved by "
        f"{worst.shift:.2f} standard deviations, though its parameters and all that feeds it are frozen",
        f'model.get_submodule("{part}").eval()  # behind every model.train()' if part else "model.eval()",
        {"batches": worst.frozen_batches, "shift": worst.shift},
    )
