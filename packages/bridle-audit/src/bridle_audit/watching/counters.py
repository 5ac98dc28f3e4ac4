"""Counters of passes and steps: by mode, of validation in training mode, of batches that update statistics twice."""

from __future__ import annotations

import weakref

from torch import Tensor

from bridle_audit.watching.record import ModeRecord, RepeatedBatchRecord, ValidationRecord

__all__ = ["ModeCounter", "RepeatedBatchCounter", "ValidationCounter", "WatchedPass"]

LEAST_SAMPLES = 3  # passes of one batch without gradients that are no validation but samples


class WatchedPass:
    """A batch on its way through the model: from its call, or from that of its first layer, to the next."""

    __slots__ = (
        "active_layers",
        "batch",
        "estimates_statistics",
        "idle_layers",
        "in_step",
        "learns",
        "opener",
        "other_weights",
        "same_batch",
        "statistics_updates",
        "training",
        "version",
    )

    def __init__(self, *, learns: bool, training: bool, in_step: bool, version: int, opener: object) -> None:
        self.learns = learns  # whether gradients are on
        self.training = training  # whether the model is in training mode
        self.in_step = in_step  # whether it runs within the optimizer's step
        self.version = version  # of a weight
        self.opener = opener  # the layer whose call began it; None where that is the model
        self.batch: weakref.ref[Tensor] | None = None
        self.same_batch = False  # whether the pass before, in the same step, had the same batch
        self.other_weights = False  # whether the weights are others than in that pass
        self.active_layers = 0  # called in training mode
        self.idle_layers = 0  # called in evaluation mode
        self.statistics_updates = 0  # of the running statistics of norms
        self.estimates_statistics = False  # whether a norm's momentum is one with which they are estimated anew


class ModeCounter:
    """Counts the steps by the mode of their passes."""

    def __init__(self) -> None:
        self.steps = self.training_steps = self.evaluation_steps = 0
        self.first_evaluation_step: int | None = None
        self.trained = self.evaluated = False  # since the last step

    def end_pass(self, ended: WatchedPass) -> None:
        """Note the mode of a pass."""
        if ended.learns:
            self.trained = self.trained or ended.training or ended.active_layers > 0
            self.evaluated = self.evaluated or ended.idle_layers > 0

    def end_step(self) -> None:
        """Count a step."""
        self.steps += 1
        if self.trained:
            self.training_steps += 1
        elif self.evaluated:
            self.evaluation_steps += 1
            self.first_evaluation_step = self.first_evaluation_step or self.steps
        self.trained = self.evaluated = False

    @property
    def record(self) -> ModeRecord:
        """The counts so far."""
        return ModeRecord(self.training_steps, self.evaluation_steps, self.first_evaluation_step)


class ValidationCounter:
    """Counts passes without gradients in training mode."""

    def __init__(self) -> None:
        self.has_stepped = False
        self.passes = self.statistics_updates = self.gaps = self.same_batch_gaps = 0
        self.gap_passes = self.gap_updates = 0  # since the last step
        self.batch_passes = self.batch_updates = 0  # of the last batch, not among those yet
        self.batch: weakref.ref[Tensor] | None = None  # the first since the last step
        self.batch_before: weakref.ref[Tensor] | None = None  # the same in the last gap that had one

    def end_pass(self, ended: WatchedPass) -> None:
        """Count a pass, if it may be one of a validation."""
        if ended.learns:
            if ended.same_batch:
                self.batch_passes = 0  # it only went before the one with gradients, as checkpointing does
            self.end_batch()
        elif self.is_validation(ended):
            if not ended.same_batch:
                self.end_batch()
            if self.batch is None:
                self.batch = ended.batch
            self.batch_passes += 1
            self.batch_updates += ended.statistics_updates

    def is_validation(self, ended: WatchedPass) -> bool:
        """Return True if a pass without gradients may be one of a validation in training mode."""
        trains = ended.training and ended.active_layers > 0 and not ended.estimates_statistics and not ended.in_step
        return trains and self.has_stepped and (self.batch_passes > 0 or not ended.same_batch)

    def end_batch(self) -> None:
        """Add the passes of the last batch, unless they are so many that they must be samples."""
        if 0 < self.batch_passes < LEAST_SAMPLES:
            self.gap_passes += self.batch_passes
            self.gap_updates += self.batch_updates
        self.batch_passes = self.batch_updates = 0

    def end_step(self) -> None:
        """Add the gap since the last step."""
        self.has_stepped = True
        self.end_batch()
        if self.gap_passes:
            self.gaps += 1
            self.passes += self.gap_passes
            self.statistics_updates += self.gap_updates
            batch = self.batch() if self.batch else None
            self.same_batch_gaps += batch is not None and self.batch_before is not None and self.batch_before() is batch
            self.batch_before = self.batch
        self.batch, self.gap_passes, self.gap_updates = None, 0, 0

    @property
    def record(self) -> ValidationRecord:
        """The counts so far, those since the last step among them."""
        self.end_batch()
        return ValidationRecord(
            self.passes + self.gap_passes,
            self.statistics_updates + self.gap_updates,
            self.gaps,
            self.same_batch_gaps,
        )


class RepeatedBatchCounter:
    """Counts the steps for which one batch updated running statistics again under other weights."""

    def __init__(self, *, searches: bool) -> None:
        self.searches = searches  # whether the optimizer searches along a line within its step: then that is no SAM
        self.steps = self.passes = 0
        self.step_passes = 0  # that updated statistics since the last step
        self.has_updated = False  # whether the last pass did
        self.is_repeated = False  # whether one did for the second time

    def end_pass(self, ended: WatchedPass) -> None:
        """Count a pass, if it updated running statistics."""
        updates = ended.learns and ended.statistics_updates > 0 and not (ended.in_step and self.searches)
        again = updates and self.has_updated and ended.same_batch and ended.other_weights
        self.is_repeated = self.is_repeated or again
        self.step_passes += updates
        self.has_updated = updates

    def end_step(self) -> None:
        """Count a step, if a batch was repeated for it."""
        if self.is_repeated:
            self.steps += 1
            self.passes += self.step_passes
        self.step_passes, self.has_updated, self.is_repeated = 0, False, False

    @property
    def record(self) -> RepeatedBatchRecord:
        """The counts so far."""
        return RepeatedBatchRecord(self.steps, self.passes)
