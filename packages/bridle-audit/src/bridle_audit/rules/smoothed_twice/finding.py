"""Shared by the checks of this rule."""

from __future__ import annotations

LEAST = 1e-3  # smoothing below this is rounding
CURE = "torch.nn.CrossEntropyLoss()  # the targets are smoothed already"
