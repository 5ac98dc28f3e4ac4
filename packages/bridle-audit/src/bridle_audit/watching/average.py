"""When an averaged model is updated: between which steps, and how often."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bridle_audit.errors import InputError
from bridle_audit.watching.record import AverageSeen


class Average:
    """Counts updates of an averaged model by the version that torch keeps of each tensor: no value is read."""

    def __init__(self, averaged: nn.Module, scaler: Any) -> None:
        counter = averaged._buffers.get("n_averaged")  # of AveragedModel: written once per update
        held = counter if counter is not None else next(averaged.parameters(), None)
        if held is None:
            raise InputError(f"averaged: {type(averaged).__name__} has no parameters, so its updates cannot be seen")
        self.held, self.exact = held, counter is not None
        self.version = held._version
        self.scaler, self.scale = scaler, scale_of(scaler)
        self.steps = self.updates = self.extra = self.early = 0
        self.here = 0  # updates since the last step
        self.passed = False  # whether there was a pass with gradients since
        self.infinite: Tensor | None = None  # what a fused optimizer's scaler has found in this step
        self.skipped: int | Tensor = 0

    def new(self) -> int:
        """The updates since the last look; of a model that does not count them, at most one is seen."""
        change = self.held._version - self.version
        self.version += change
        return change if self.exact else min(change, 1)

    def look(self) -> int:
        """Count what is new, and say how many updates that are."""
        new = self.new()
        if not new:
            return 0
        self.updates += new
        if self.infinite is not None:
            self.skipped, self.infinite = self.skipped + self.infinite, None
        if (self.steps or self.passed) and self.here + new > 1:
            self.more(new if self.here else new - 1)
        self.here += new
        return new

    def more(self, updates: int) -> None:
        """There were more updates than steps; the scale is read only then, as an accelerator must wait for it."""
        self.extra += updates
        before, self.scale = self.scale, scale_of(self.scaler)
        if self.scale < before:
            self.skipped = self.skipped + updates

    def at_pass(self, learns: bool) -> None:
        """A pass begins."""
        self.look()
        if not self.steps and not self.passed:
            self.here = 0  # the average has been given its first values
        self.passed = self.passed or learns

    def before_step(self) -> None:
        """The optimizer's step begins."""
        new = self.look()
        if self.passed:
            self.early += new

    def behind_step(self, optimizer: Optimizer) -> None:
        """The step has been taken, or skipped within by a fused optimizer."""
        self.steps += 1
        self.here, self.passed = 0, False
        self.infinite = getattr(optimizer, "found_inf", None)

    @property
    def seen(self) -> AverageSeen:
        """So far."""
        self.look()
        with torch.no_grad():
            skipped = round(float(self.skipped))
        return AverageSeen(self.updates, self.extra, self.early, skipped)


def scale_of(scaler: Any) -> float:
    """The scale of a gradient scaler: it falls when a step is skipped."""
    return float(scaler.get_scale()) if scaler is not None else 1.0
