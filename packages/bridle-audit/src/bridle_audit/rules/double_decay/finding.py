"""Shared by the checks of this rule."""

from __future__ import annotations

CURE = "optimizer = torch.optim.AdamW(..., weight_decay=strength)  # and no penalty in the loss; or weight_decay=0"
