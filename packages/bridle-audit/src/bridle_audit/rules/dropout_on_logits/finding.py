"""Shared by the checks of this rule."""

from __future__ import annotations

CURE = "h = self.dropout(h)\nreturn self.output(h)  # dropout in front of the last layer, not behind it"
