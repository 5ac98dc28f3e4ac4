"""Shared by the checks of this rule."""

from __future__ import annotations

CURE = "AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)"
