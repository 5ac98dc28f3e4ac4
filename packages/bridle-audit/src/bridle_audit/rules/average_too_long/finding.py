"""Shared by the checks of this rule."""

from __future__ import annotations

MUCH = 0.05  # of the first weights
WINDOWS = 10  # how many times 1 / (1 - decay) the training should be: 0.005 % of the first weights are left then


def cure(steps: int) -> str:
    """Return a decay whose memory fits the number of steps."""
    decay = max(0.0, 1 - WINDOWS / steps)
    return (
        f"AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn({decay:.6g}))  # forgets in {steps // WINDOWS} steps"
    )
