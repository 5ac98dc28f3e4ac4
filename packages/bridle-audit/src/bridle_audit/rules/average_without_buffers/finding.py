"""What the checks of this rule have in common."""

from __future__ import annotations

CURE = "AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)"
