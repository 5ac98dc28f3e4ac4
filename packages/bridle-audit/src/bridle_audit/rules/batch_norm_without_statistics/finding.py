"""What the checks of this rule have in common."""

from __future__ import annotations

CURE = "nn.BatchNorm1d(units)  # keeps running statistics; or nn.GroupNorm(groups, units), which needs none"
