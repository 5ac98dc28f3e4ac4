"""The last thing that happens to the logits is a softmax or a sigmoid."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.softmax_before_cross_entropy.finding import CURE
from bridle_audit.static import Program

READ = {  # by the kind of the loss: what is too much in front of it, and what is said then
    "cross_entropy": (
        ("activation:softmax", "activation:sigmoid"),
        "a {} goes into a loss that takes a softmax of its own: with ten classes it cannot fall below 1.461",
    ),
    "bce_logits": (
        ("activation:sigmoid",),
        "a {} goes into a loss that takes one of its own: it cannot fall below 0.313 where the target is 1",
    ),
}


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a network that ends with a softmax or sigmoid before a loss that takes logits."""
    for loss in program.losses:
        squashing, said = READ.get(loss.kind, ((), ""))
        if loss.last is not None and loss.last.kind in squashing:
            name = loss.last.kind.removeprefix("activation:")
            yield Finding(program.source(loss.last.node), said.format(name), CURE, location=loss.last.location)
