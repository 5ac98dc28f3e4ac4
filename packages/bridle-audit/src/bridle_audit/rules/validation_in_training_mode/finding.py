"""Shared by the checks of this rule."""

from __future__ import annotations

CURE = "model.eval()  # in front of the validation; and model.train() behind it"
