"""Norms with one number to normalize over."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import Tensor, nn

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.wording import counted


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for a norm that normalizes over a single number."""
    for call in setup.evaluation.leaf_calls if setup.evaluation else ():
        if call.input is None or call.output is None or normalized_size(call.module, call.input) != 1:
            continue
        values = max_distinct_values(call.output, 1 if isinstance(call.module, nn.GroupNorm) else -1)
        yield Finding(
            call.name,
            f"each number is normalized by itself: over {len(call.input)} rows no unit has more than "
            f"{counted('different output', values)}, whatever comes in",
            "nn.GroupNorm(1, channels)  # several numbers in a group; or no norm here",
            {"numbers normalized together": 1.0, "values": float(values)},
        )


def normalized_size(norm: nn.Module, entered: Tensor) -> int:
    """Return the number of elements that a layer, RMS or group norm averages over; 0 for other modules."""
    if isinstance(norm, nn.LayerNorm | nn.RMSNorm):
        return math.prod(norm.normalized_shape)
    if isinstance(norm, nn.GroupNorm):
        return norm.num_channels // norm.num_groups * math.prod(entered.shape[2:])
    return 0


def max_distinct_values(output: Tensor, axis: int) -> int:
    """Return the largest number of distinct values of any unit, rounded to three decimals."""
    units = output.float().movedim(axis, 0).flatten(1)
    return max(len(unit.mul(1e3).round().unique()) for unit in units)
