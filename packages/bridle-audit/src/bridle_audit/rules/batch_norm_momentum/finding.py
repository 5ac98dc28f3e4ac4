"""Shared by the checks of this rule."""

from __future__ import annotations

MOST = 0.5  # of the newest batch in the running statistics


def said(momentum: float) -> str:
    """What is remembered."""
    newest = f"{100 * momentum:.4g}%"
    return f"momentum={momentum:g} in PyTorch: {newest} of the running mean and variance are those of the last batch"


def cure(momentum: float) -> str:
    """The same memory in PyTorch's convention."""
    return f"nn.BatchNorm1d(units, momentum={max(1 - momentum, 0.01):.3g})  # the weight of the newest batch"
