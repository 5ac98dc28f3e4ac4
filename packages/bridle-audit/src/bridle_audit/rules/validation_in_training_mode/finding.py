"""What the checks of this rule have in common."""

from __future__ import annotations

CURE = "model.eval()  # in front of the validation; and model.train() behind it"
