"""The record of a stack: curves after every epoch, and the runs that its variants end as."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from bridle.engine.block import Block
from bridle.engine.block_training import BlockTraining
from bridle.engine.evaluation import Evaluator, layer_summaries
from bridle.engine.stack import Stack
from bridle.engine.stopping import BestEpoch, Points
from bridle.engine.timing import timed
from bridle.engine.variant_grids import group_variants
from bridle.protocol import Variant
from bridle.results import Run

__all__ = ["Recorder"]


class Recorder:
    """Keeps the curves of one stack's variants and makes their runs."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.curves: dict[Variant, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def curve_points(self, stack: Stack, epoch: int, step_losses: dict[Variant, float]) -> Points:
        """Measure one point of every curve."""
        points: Points = {}
        with timed(stack):
            for training in stack.trainings:
                with training.regularizers.final_values(self.evaluator.statistics_rows):
                    measured = self.evaluator.curve_points(training.block)
                for variant, point in zip(training.block.grid.variants, measured, strict=True):
                    points[variant] = {"epoch": epoch, "step_loss": step_losses[variant], **point}
        return points

    def append_points(self, points: Points) -> None:
        """Add points to the curves of those that are still in training."""
        for variant, point in points.items():
            for name, value in point.items():
                self.curves[variant][name].append(value)

    def reset_curves(self, variants: Iterable[Variant]) -> None:
        """Begin the curves of these variants anew."""
        for variant in variants:
            self.curves.pop(variant, None)

    def final_runs(self, stack: Stack, bests: dict[Variant, BestEpoch]) -> Iterator[Run]:
        """Yield the runs of all variants that are in the stack at the end of training; ``bests`` are kept instead."""
        for training in stack.trainings:
            variants = training.block.grid.variants
            if any(variant not in bests for variant in variants):
                with timed(training):
                    runs = self.measured_runs(training)
                seconds = seconds_per_variant(stack, training)
                for run, variant in zip(runs, variants, strict=True):
                    if variant not in bests:
                        yield replace(run, seconds=seconds)
        yield from self.best_epoch_runs(stack, {each: bests[each] for each in stack.variants if each in bests})

    def early_runs(self, stack: Stack, leaving: Mapping[Variant, BestEpoch | None], epoch: int) -> Iterator[Run]:
        """Yield the runs of variants that leave after an epoch: stopped, with their best one, or diverged, without."""
        for variant, best in leaving.items():
            if best is None:
                yield self.diverged_run(stack, variant, epoch)
        bests = {variant: best for variant, best in leaving.items() if best}
        yield from self.best_epoch_runs(stack, bests, stopped_at=epoch)

    def best_epoch_runs(
        self, stack: Stack, bests: Mapping[Variant, BestEpoch], stopped_at: int | None = None
    ) -> Iterator[Run]:
        """Yield the runs of variants as they were in their best epochs, measured together as far as they can be."""
        alike: dict[object, list[Variant]] = defaultdict(list)
        for variant, best in bests.items():
            alike[same_program(variant, best)].append(variant)
        for grid in (each for variants in alike.values() for each in group_variants(variants)):
            clock = time.perf_counter()
            values = {variant: stack.kept_values(variant, bests[variant].names) for variant in grid.variants}
            runs = self.measured_runs(stack.resume_block(grid, values, bests[grid.variants[0]].passed))
            share = (time.perf_counter() - clock) / len(grid)
            for run, variant in zip(runs, grid.variants, strict=True):
                seconds = seconds_per_variant(stack, stack.training_of(variant)) + share
                yield replace(run, seconds=seconds, best_epoch=bests[variant].epoch, stopped_at=stopped_at)

    def diverged_run(self, stack: Stack, variant: Variant, epoch: int) -> Run:
        """Make the run of a variant whose loss stopped being finite in this epoch: no scores, curves up to there."""
        training = stack.training_of(variant)
        run = self.make_run(training.block, variant, self.evaluator.no_scores(), {})
        return replace(run, seconds=seconds_per_variant(stack, training), diverged_at=epoch)

    def measured_runs(self, training: BlockTraining) -> list[Run]:
        """Make the runs of a block's variants as they stand, without the seconds that they took."""
        block = training.block
        with training.regularizers.final_values(self.evaluator.statistics_rows):
            scores, dead = self.evaluator.final_scores(block), self.evaluator.dead_units(block)
            return [
                self.make_run(block, variant, own, {name: flags[index] for name, flags in dead.items()})
                for own, (index, variant) in zip(scores, block.indexed_variants(), strict=True)
            ]

    def make_run(
        self, block: Block, variant: Variant, scores: dict[str, dict[str, float]], dead: dict[str, np.ndarray]
    ) -> Run:
        """Make one variant's run, but for the seconds that it took."""
        index = next(index for index, each in block.indexed_variants() if each == variant)
        values = block.with_effective_weights(block.variant_values(block.state_dict(), index), variant)
        return Run(
            str(variant.recipe),
            variant.seed,
            scores,
            curves={name: list(numbers) for name, numbers in self.curves[variant].items()},
            layers=layer_summaries(block, values, dead),
            seconds=0.0,
            lr=variant.lr,
            model=block.trained_module(values, variant),
        )


def same_program(variant: Variant, best: BestEpoch) -> object:
    """Return what must be equal for best epochs to be measured together: the values, and a moment that is seen.

    A strength that moves over the training has its value of that epoch.
    """
    scheduled = any(each.is_scheduled for each in variant.recipe)
    return best.names, best.passed if scheduled else None


def seconds_per_variant(stack: Stack, training: BlockTraining) -> float:
    """Return one variant's share of the seconds that its block and the stack have taken."""
    return training.seconds / len(training.block.grid) + stack.seconds / len(stack.variants)
