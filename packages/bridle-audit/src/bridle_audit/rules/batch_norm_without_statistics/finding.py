"""Shared by the checks of this rule."""

from __future__ import annotations

CURE = "nn.BatchNorm1d(units)  # keeps running statistics; or nn.GroupNorm(groups, units), which needs none"
