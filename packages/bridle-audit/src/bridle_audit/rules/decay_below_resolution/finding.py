"""Shared by the checks of this rule."""

from __future__ import annotations


def cure(lr: float, decoupled: bool) -> str:
    """Return a weight decay that is large enough to change the weights."""
    if decoupled:
        return f"weight_decay=0.05  # with lr={lr:g} a step takes {0.05 * lr:.1g} of a weight; keep weights in float32"
    return "torch.optim.AdamW(..., weight_decay=0.05)  # or weight_decay=0 if you want none"
