"""Shared by the checks of this rule."""

from __future__ import annotations

MOST = 0.5  # of the newest batch in the running statistics


def message(momentum: float) -> str:
    """Return the message of a finding: the share of the last batch in the running statistics."""
    newest = f"{100 * momentum:.4g}%"
    return f"momentum={momentum:g} in PyTorch: {newest} of the running mean and variance are those of the last batch"


def cure(momentum: float) -> str:
    """Return a batch norm with the momentum converted to PyTorch's convention."""
    return f"nn.BatchNorm1d(units, momentum={max(1 - momentum, 0.01):.3g})  # the weight of the newest batch"
