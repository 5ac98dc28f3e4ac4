"""What the checks of this rule have in common."""

from __future__ import annotations

CURE = (
    'loss = nn.CrossEntropyLoss(reduction="mean")  # then lr times the batch size, and decay or penalty divided by it'
)
