"""`track_running_stats=False` in the text."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.batch_norm_without_statistics.finding import CURE
from bridle_audit.static import Program

LAYERS = [f"torch.nn.{kind}" for kind in ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm")]


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a batch norm created with ``track_running_stats=False``."""
    for call in program.calls(*LAYERS):
        if call.value(4, "track_running_stats", True) is False:
            yield Finding(
                program.source(call.node),
                "keeps no running statistics: in evaluation mode too it normalizes by whatever rows are in the batch",
                CURE,
                location=call.location,
            )
