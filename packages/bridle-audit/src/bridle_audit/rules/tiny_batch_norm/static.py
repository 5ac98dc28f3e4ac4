"""Shuffled loaders of one or two rows, where batch norms are trained."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.tiny_batch_norm.finding import FEW, GROUPS
from bridle_audit.static import Program
from bridle_audit.static.dataflow.stated import stated_number

NORMS = (
    *(f"torch.nn.BatchNorm{axes}d" for axes in (1, 2, 3)),
    *(
        f"torchvision.models.{kind}*"
        for kind in ("resnet", "wide_resnet", "resnext", "densenet", "mobilenet", "efficientnet")
    ),
)
OTHERWISE = ("torch.nn.SyncBatchNorm.convert_sync_batchnorm", "torch.nn.SyncBatchNorm")  # takes the rows of all workers


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a shuffled loader with batches of one or two rows, if batch norms are trained."""
    if not program.calls("method:backward") or program.calls(*OTHERWISE) or not program.calls(*NORMS):
        return
    for call in program.calls("torch.utils.data.DataLoader"):
        rows = stated_number(call, 1, "batch_size", 1.0)
        if rows is not None and rows <= 2 and call.value(2, "shuffle", False) is True:
            yield Finding(program.source(call.node), f"{FEW} (batch_size={rows:g})", GROUPS, location=call.location)
