"""Shared by the checks of this rule."""

from __future__ import annotations

CURE = "penalty = strength * sum(p.square().sum() for p in model.parameters() if p.ndim > 1)  # a tensor with its graph"
