"""Shared by the checks of this rule."""

from __future__ import annotations

CURE = "model.train()  # at the start of every epoch, and behind every validation"
