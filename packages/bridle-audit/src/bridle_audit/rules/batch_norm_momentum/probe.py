"""Batch norms with a momentum that leaves the running statistics to the last batch."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.batch_norm_momentum.finding import MOST, cure, message


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for a batch norm whose momentum leaves the running statistics to the last batch."""
    for name, norm in setup.batch_norms.items():
        if not isinstance(norm, nn.modules.batchnorm._NormBase) or not norm.track_running_stats:
            continue
        if norm.momentum is not None and norm.momentum > MOST:
            yield Finding(name, message(norm.momentum), cure(norm.momentum), {"momentum": norm.momentum})
