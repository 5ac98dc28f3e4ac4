"""The progress of a training in the user's own loop."""

from __future__ import annotations

import torch

from bridle.schedules import LAST

__all__ = ["TrainingProgress"]


class TrainingProgress:
    """The steps done, and the learning rates of the optimizer's groups."""

    def __init__(self, optimizer: torch.optim.Optimizer, steps: int | None) -> None:
        self.optimizer, self.steps = optimizer, steps
        self.step = 0  # steps that are done
        self.peaks: dict[int, float] = {}  # by group: the highest learning rate so far

    @property
    def passed(self) -> float:
        """Return the share of the training that is done; it stays below 1, however long the user goes on."""
        return 0.0 if self.steps is None else min(self.step / self.steps, LAST)

    def lr(self, group: int) -> float:
        """Return the learning rate of a group."""
        return float(self.optimizer.param_groups[group]["lr"])

    def peak(self, group: int) -> float:
        """Return the highest learning rate of a group so far, or that its schedule started from."""
        first = float(self.optimizer.param_groups[group].get("initial_lr", 0.0))
        self.peaks[group] = max(self.peaks.get(group, 0.0), first, self.lr(group))
        return self.peaks[group]
