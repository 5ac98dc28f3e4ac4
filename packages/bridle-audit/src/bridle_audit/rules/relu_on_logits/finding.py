"""Shared by the checks of this rule."""

from __future__ import annotations

CURE = "return self.output(h)  # the last layer as it is: the loss takes its own softmax or sigmoid"
