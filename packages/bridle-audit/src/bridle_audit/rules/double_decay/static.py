"""An L2 penalty that reaches the loss, beside a weight decay that is stated."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.double_decay.finding import CURE
from bridle_audit.static import Program
from bridle_audit.static.dataflow.penalties import penalties_of


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for an L2 penalty in the loss of an optimizer with a stated weight decay."""
    decays = [each for each in program.optimizers if isinstance(each.decay, int | float) and each.decay > 0]
    if len(program.optimizers) != 1 or not decays:
        return
    for penalty in penalties_of(program):
        if penalty.kind == "l2" and penalty.in_loss and penalty.detached is None:
            yield Finding(
                program.source(penalty.node),
                f"this penalty shrinks weights that {decays[0].name} shrinks by weight_decay={decays[0].decay:g} "
                "as well",
                CURE,
                location=penalty.location,
            )
