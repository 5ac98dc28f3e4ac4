"""Shared by the checks of this rule."""

from __future__ import annotations

CURE = """groups = [
    {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": weight_decay},
    {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
]"""
