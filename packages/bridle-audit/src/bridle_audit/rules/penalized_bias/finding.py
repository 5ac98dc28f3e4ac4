"""Shared by the checks of this rule."""

from __future__ import annotations

CURE = "sum(p.square().sum() for p in model.parameters() if p.ndim > 1)  # matrices and kernels: no biases, no norms"
