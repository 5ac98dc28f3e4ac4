"""L1 penalties with a gradient, in files in which nothing sets weights to zero."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.static import Program
from bridle_audit.static.dataflow.penalties import penalties_of

CURE = "w.copy_(w.sign() * (w.abs() - lr * strength).clamp(min=0))  # without gradients, behind optimizer.step()"
ZEROING = re.compile(r"(?i)softshrink|hardshrink|soft_?thresh|prox|\.sign\(\)|torch\.sign\(|\bprun|masked_fill")


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for an L1 penalty in the loss of a file that never sets weights to zero."""
    found = [each for each in penalties_of(program) if each.kind == "l1" and each.in_loss and each.detached is None]
    if ZEROING.search(program.text):
        return
    for penalty in found:
        yield Finding(
            penalty.source,
            "the gradient of this L1 penalty moves weights across zero and back: they become small, and none is "
            "exactly zero",
            CURE,
            location=penalty.location,
        )
