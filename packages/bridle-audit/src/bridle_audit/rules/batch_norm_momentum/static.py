"""Stated momenta that leave the running statistics to the last batch."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.batch_norm_momentum.finding import MOST, cure, message
from bridle_audit.static import Program
from bridle_audit.static.dataflow.stated import stated_number

LAYERS = [f"torch.nn.{kind}" for kind in ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm")]


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a stated momentum that leaves the running statistics to the last batch."""
    for call in program.calls(*LAYERS):
        momentum = stated_number(call, 2, "momentum", 0.1)
        if momentum is not None and momentum > MOST:
            yield Finding(program.source(call.node), message(momentum), cure(momentum), location=call.location)
    for call in program.calls("keras.layers.BatchNormalization"):
        momentum = stated_number(call, 1, "momentum", 0.99)
        if momentum is not None and momentum < MOST:
            yield Finding(
                program.source(call.node),
                f"momentum={momentum:g} in Keras is the weight of the past: {100 - 100 * momentum:.4g}% of the moving "
                "mean and variance are those of the last batch",
                f"layers.BatchNormalization(momentum={1 - momentum:.3g})  # the weight of the past",
                location=call.location,
            )
