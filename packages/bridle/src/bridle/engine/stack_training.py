"""Training one stack: epoch by epoch, diverged and stopped variants taken out, finished runs handed over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from bridle.engine.checkpointing import Checkpointer
from bridle.engine.recording import Recorder
from bridle.engine.stack import Stack
from bridle.engine.stopping import BestEpoch, Points, StackStopping
from bridle.engine.threads import limited_threads, threads_for
from bridle.metric_info import Criterion
from bridle.protocol import Progress, Variant
from bridle.results import Run
from bridle.training_rules import has_diverged, stop_regularizers

__all__ = ["StackTraining", "train_stack"]


class StackTraining(NamedTuple):
    """The recorder and checkpointer of a stack, the runs that are wanted, and the callback for progress."""

    recorder: Recorder
    checkpointer: Checkpointer
    wanted: frozenset[Variant]
    progress: Progress

    def report(self, steps: int, variants: Iterable[Variant]) -> None:
        """Report that these variants have made so many more steps."""
        told = steps * sum(variant in self.wanted for variant in variants)
        if told:
            self.progress(told)

    def only_wanted(self, runs: Iterable[Run]) -> list[Run]:
        """Return the runs of wanted variants."""
        wanted = {variant.key for variant in self.wanted}
        return [run for run in runs if run.key in wanted]


def restored_or_fresh(start: Callable[[], Stack], training: StackTraining) -> tuple[Stack, StackStopping]:
    """Return a stack as it was saved, or a fresh one where it was not, or where the state does not fit."""
    stack = start()
    stopping = new_stopping(stack, training)
    if training.checkpointer.restore(stack, training.recorder, stopping):
        return stack, stopping
    training.recorder.reset_curves(stack.variants)
    return start(), new_stopping(stack, training)


def new_stopping(stack: Stack, training: StackTraining) -> StackStopping:
    """Return what keeps the best epochs, before the first."""
    return StackStopping(stack.variants, stack.protocol, Criterion.of(training.recorder.evaluator.chosen))


def train_stack(start: Callable[[], Stack], training: StackTraining) -> Iterator[Run]:
    """Train one stack to its end, from where it stood when it was saved."""
    recorder = training.recorder
    stack, stopping = restored_or_fresh(start, training)
    count = threads_for(stack.multiply_adds)
    training.report(stack.steps_done, stack.variants)
    stops_early = any(stop_regularizers(variant.recipe) for variant in stack.variants)
    for epoch in range(stack.steps_done // stack.batches.per_epoch + 1, stack.protocol.n_epochs + 1):
        with limited_threads(count):
            totals = train_epoch(stack, training)
        if not stack.protocol.evaluates_after(epoch, stops_early=stops_early):
            training.checkpointer.after_epoch(stack, recorder, stopping, epoch)
            continue
        with limited_threads(count):
            points = recorder.curve_points(stack, epoch, mean_losses(stack, totals))
        gone = record_epoch(recorder, stopping, stack, points)
        # All of them, wanted or not: with other neighbours a run could have other last digits than undisturbed.
        with limited_threads(count):
            runs = list(recorder.early_runs(stack, gone, epoch))
        yield from training.only_wanted(runs)
        training.report(stack.steps - stack.steps_done, gone)
        if len(gone) == len(points):
            return
        if gone:
            stack.remove(gone)
        training.checkpointer.after_epoch(stack, recorder, stopping, epoch)
    with limited_threads(count):
        runs = list(recorder.final_runs(stack, stopping.found))
    yield from training.only_wanted(runs)


def record_epoch(
    recorder: Recorder, stopping: StackStopping, stack: Stack, points: Points
) -> dict[Variant, BestEpoch | None]:
    """Record an epoch; return the variants that leave after it: diverged, or stopped, these with their best epochs."""
    diverged = [variant for variant, point in points.items() if has_diverged(point)]
    whole = {variant: point for variant, point in points.items() if variant not in diverged}
    recorder.append_points(whole)
    stopped = stopping.after_epoch(stack, whole)
    return {**dict.fromkeys(diverged), **{variant: stopping.bests[variant] for variant in stopped}}


def train_epoch(stack: Stack, training: StackTraining) -> list[Tensor]:
    """Train for one epoch; return the data losses of each block, summed over the batches."""
    variants = stack.variants
    totals = [torch.zeros((), device=stack.precision.device) for _ in stack.blocks]
    for _ in range(stack.batches.per_epoch):
        totals = [total + losses for total, losses in zip(totals, stack.step(), strict=True)]
        training.report(1, variants)
    return totals


def mean_losses(stack: Stack, totals: list[Tensor]) -> dict[Variant, float]:
    """Return each variant's mean data loss over the batches of an epoch."""
    return {
        variant: loss / stack.batches.per_epoch
        for block, total in zip(stack.blocks, totals, strict=True)
        for (_, variant), loss in zip(block.indexed_variants(), total.flatten().tolist(), strict=True)
    }
