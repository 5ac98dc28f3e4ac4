"""Norms with one number to normalize over."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import Tensor, nn

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.wording import counted


def check(setup: Setup) -> Iterator[Finding]:
    """Norms with one number to normalize over."""
    for call in setup.evaluation.leaf_calls if setup.evaluation else ():
        if call.input is None or call.output is None or numbers_together(call.module, call.input) != 1:
            continue
        values = most_values(call.output, 1 if isinstance(call.module, nn.GroupNorm) else -1)
        yield Finding(
            call.name,
            f"each number is normalized by itself: over {len(call.input)} rows no unit has more than "
            f"{counted('different output', values)}, whatever comes in",
            "nn.GroupNorm(1, channels)  # several numbers in a group; or no norm here",
            {"numbers normalized together": 1.0, "values": float(values)},
        )


def numbers_together(norm: nn.Module, entered: Tensor) -> int:
    """How many numbers a norm normalizes together; 0 for batch norms, and for what is no norm of torch's."""
    if isinstance(norm, nn.LayerNorm | nn.RMSNorm):
        return math.prod(norm.normalized_shape)
    if isinstance(norm, nn.GroupNorm):
        return norm.num_channels // norm.num_groups * math.prod(entered.shape[2:])
    return 0


def most_values(output: Tensor, axis: int) -> int:
    """How many different values the unit with the most takes, to three digits."""
    units = output.float().movedim(axis, 0).flatten(1)
    return max(len(unit.mul(1e3).round().unique()) for unit in units)
