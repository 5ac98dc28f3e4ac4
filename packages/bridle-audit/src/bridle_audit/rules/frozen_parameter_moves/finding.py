"""Shared by the checks of this rule."""

from __future__ import annotations

CURE = (
    "optimizer.zero_grad(set_to_none=True)  # a parameter whose grad is None is passed over; or give it no other:\n"
    "optimizer = torch.optim.SGD([each for each in model.parameters() if each.requires_grad], lr=0.1)"
)
