"""Shared by the checks of this rule."""

from __future__ import annotations

CURE = (
    'loss = nn.CrossEntropyLoss(reduction="mean")  # then lr times the batch size, and decay or penalty divided by it'
)
