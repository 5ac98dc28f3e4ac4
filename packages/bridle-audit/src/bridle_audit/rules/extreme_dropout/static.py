"""Dropouts with an extreme rate in the source."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.extreme_dropout.finding import EXTREME, cure, message
from bridle_audit.static import Program
from bridle_audit.static.dataflow.stated import stated_number

LAYERS = [f"torch.nn.{kind}" for kind in ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout")]
KERAS = ["keras.layers.Dropout", "keras.layers.SpatialDropout1D", "keras.layers.SpatialDropout2D"]
FUNCTIONS = [
    f"torch.nn.functional.{kind}" for kind in ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout")
]


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a dropout with an extreme rate in the source."""
    calls = [(call, stated_number(call, 0, "p", 0.5)) for call in program.calls(*LAYERS)]
    calls += [(call, stated_number(call, 0, "rate")) for call in program.calls(*KERAS)]
    calls += [(call, stated_number(call, 1, "p", 0.5)) for call in program.calls(*FUNCTIONS)]
    for call, rate in calls:
        if rate is not None and rate >= EXTREME:
            severity = "error" if rate >= 1 else ""
            yield Finding(
                program.source(call.node), message(rate), cure(rate), location=call.location, severity=severity
            )
