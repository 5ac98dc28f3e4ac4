"""Updates of an averaged model (SWA, EMA), counted by the steps between which they come."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bridle_audit.errors import InputError
from bridle_audit.watching.record import AverageRecord

__all__ = ["AverageUpdateCounter", "GradientScaler"]


class GradientScaler(Protocol):
    """A scaler of gradients, such as ``torch.amp.GradScaler``."""

    def get_scale(self) -> float:
        """Return the present scale."""
        ...


class AverageUpdateCounter:
    """Counts updates of an averaged model by the version that torch keeps of each tensor: no value is read."""

    def __init__(self, averaged: nn.Module, scaler: GradientScaler | None) -> None:
        n_averaged = averaged._buffers.get("n_averaged")  # of AveragedModel: written once per update
        counter = n_averaged if n_averaged is not None else next(averaged.parameters(), None)
        if counter is None:
            raise InputError(f"averaged: {type(averaged).__name__} has no parameters, so its updates cannot be seen")
        self.counter, self.is_exact = counter, n_averaged is not None
        self.version = counter._version
        self.scaler, self.scale = scaler, gradient_scale(scaler)
        self.steps = self.updates = self.extra = self.early = 0
        self.updates_since_step = 0
        self.learned_since_step = False  # whether there was a pass with gradients
        self.found_inf: Tensor | None = None  # by the scaler, in the last step of a fused optimizer
        self.skipped: int | Tensor = 0

    def new_updates(self) -> int:
        """Return the number of updates since the last call; at most 1 for a model that does not count them itself."""
        change = self.counter._version - self.version
        self.version += change
        return change if self.is_exact else min(change, 1)

    def count_updates(self) -> int:
        """Count the updates since the last call, and return their number."""
        new = self.new_updates()
        if not new:
            return 0
        self.updates += new
        if self.found_inf is not None:
            self.skipped, self.found_inf = self.skipped + self.found_inf, None
        if (self.steps or self.learned_since_step) and self.updates_since_step + new > 1:
            self.count_extra(new if self.updates_since_step else new - 1)
        self.updates_since_step += new
        return new

    def count_extra(self, updates: int) -> None:
        """Count updates beyond one per step; only then is the scale read, as that waits for an accelerator."""
        self.extra += updates
        before, self.scale = self.scale, gradient_scale(self.scaler)
        if self.scale < before:
            self.skipped = self.skipped + updates

    def before_pass(self, learns: bool) -> None:
        """Count the updates before a pass through the model, with gradients if ``learns``."""
        self.count_updates()
        if not self.steps and not self.learned_since_step:
            self.updates_since_step = 0  # the average has been given its first values
        self.learned_since_step = self.learned_since_step or learns

    def before_step(self) -> None:
        """Count the updates before a step of the optimizer: they are early if a pass came before them."""
        new = self.count_updates()
        if self.learned_since_step:
            self.early += new

    def after_step(self, optimizer: Optimizer) -> None:
        """Note that the optimizer has taken its step, or skipped it within, as a fused one does."""
        self.steps += 1
        self.updates_since_step, self.learned_since_step = 0, False
        self.found_inf = getattr(optimizer, "found_inf", None)

    @property
    def record(self) -> AverageRecord:
        """The counts so far."""
        self.count_updates()
        with torch.no_grad():
            skipped = round(float(self.skipped))
        return AverageRecord(self.updates, self.extra, self.early, skipped)


def gradient_scale(scaler: GradientScaler | None) -> float:
    """Return the scale of a gradient scaler, which falls when a step is skipped; 1 without a scaler."""
    return float(scaler.get_scale()) if scaler is not None else 1.0
