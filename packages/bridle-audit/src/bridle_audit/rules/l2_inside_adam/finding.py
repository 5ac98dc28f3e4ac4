"""Shared by the checks of this rule."""

from __future__ import annotations

WITH_SWITCH = ("NAdam", "RAdam")  # of torch, which decouple when told to


def cure(optimizer: str) -> str:
    """Return the optimizer with decoupled decay, whose strength is on another scale."""
    if optimizer in WITH_SWITCH:
        return f"torch.optim.{optimizer}(..., weight_decay=0.01, decoupled_weight_decay=True)  # tune the strength anew"
    return "torch.optim.AdamW(..., weight_decay=0.01)  # takes lr * 0.01 of every weight per step; tune it anew"
