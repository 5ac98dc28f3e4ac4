"""Shared by the checks of this rule."""

from __future__ import annotations

MOST_PER_LR, MOST_PER_STEP = 1.0, 1e-3
CURE = 'bridle.convert_strength({value:g}, source="composer.DecoupledAdamW", target="torch.AdamW", lr=lr)  # and back'
