"""Measurements of a stack: curves after every epoch, scores and summaries at the end."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from bridle import metrics
from bridle.acting import MEASURED_ROWS
from bridle.data import Data
from bridle.engine.block import Block
from bridle.engine.block_training import BlockTraining
from bridle.engine.feed import DeviceData
from bridle.engine.stack import Stack
from bridle.engine.stopping import BestEpoch
from bridle.engine.timing import timed
from bridle.protocol import Variant
from bridle.results import MAIN_METRIC, LayerSummary, Run


class Recorder:
    """Measures the variants of one stack and makes their runs."""

    def __init__(self, data: Data, device_data: DeviceData) -> None:
        self.data, self.device_data = data, device_data
        self.targets = {split: y for split, (_, y) in data.splits().items()}
        self.curves: dict[Variant, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def curve_points(
        self, stack: Stack, epoch: int, step_losses: dict[Variant, float]
    ) -> dict[Variant, dict[str, float]]:
        """Measure one point of every curve; training rows are re-measured on as many of them as validation has."""
        main = MAIN_METRIC[self.data.task]
        points: dict[Variant, dict[str, float]] = {}
        with timed(stack):
            for training in stack.trainings:
                block = training.block
                with training.updates.final_values(self.statistics_rows()):
                    train = self.scores(block, "train", len(self.targets["valid"]))
                    valid = self.scores(block, "valid")
                for index, variant in block.indexed_variants():
                    points[variant] = {"epoch": epoch, "step_loss": step_losses[variant]}
                    for metric in ("loss", main):
                        points[variant][f"train_{metric}"] = float(train[metric][index])
                        points[variant][f"valid_{metric}"] = float(valid[metric][index])
        return points

    def append_points(self, points: dict[Variant, dict[str, float]]) -> None:
        """Add points to the curves of those that are still in training."""
        for variant, point in points.items():
            for name, value in point.items():
                self.curves[variant][name].append(value)

    def reset_curves(self, variants: Iterable[Variant]) -> None:
        """Begin the curves of these variants anew."""
        for variant in variants:
            self.curves.pop(variant, None)

    def statistics_rows(self) -> Tensor:
        """The training rows on which running statistics are measured anew, where a recipe wants that."""
        return self.device_data.x["train"][:MEASURED_ROWS]

    def final_runs(self, stack: Stack, bests: dict[Variant, BestEpoch]) -> Iterator[Run]:
        """The runs of all variants that are still in the stack, at the end of training; ``bests`` are kept instead."""
        for training in stack.trainings:
            variants = training.block.grid.variants
            if any(variant not in bests for variant in variants):
                with timed(training):
                    runs = self.measured_runs(training)
                seconds = seconds_per_variant(stack, training)
                for run, variant in zip(runs, variants, strict=True):
                    if variant not in bests:
                        yield replace(run, seconds=seconds)
        for variant in stack.variants:
            if variant in bests:
                yield self.best_epoch_run(stack, variant, bests[variant])

    def early_run(self, stack: Stack, variant: Variant, epoch: int, best: BestEpoch | None) -> Run:
        """The run of a variant that leaves behind an epoch: stopped, with its best epoch, or diverged, without one."""
        return (
            self.diverged_run(stack, variant, epoch)
            if best is None
            else self.best_epoch_run(stack, variant, best, epoch)
        )

    def best_epoch_run(self, stack: Stack, variant: Variant, best: BestEpoch, stopped_at: int | None = None) -> Run:
        """The run of a variant as it was in its best epoch."""
        clock = time.perf_counter()
        (run,) = self.measured_runs(stack.single_variant(variant, best.values, best.passed))
        seconds = seconds_per_variant(stack, stack.training_of(variant)) + time.perf_counter() - clock
        return replace(run, seconds=seconds, best_epoch=best.epoch, stopped_at=stopped_at)

    def measured_runs(self, training: BlockTraining) -> list[Run]:
        """The runs of a block's variants as they stand, without the seconds that they took."""
        block = training.block
        with training.updates.final_values(self.statistics_rows()):
            scores = {split: self.scores(block, split) for split in self.targets}
            dead = self.dead_units(block)
            runs = []
            for index, variant in block.indexed_variants():
                own = {
                    split: {metric: float(values[index]) for metric, values in by_metric.items()}
                    for split, by_metric in scores.items()
                }
                runs.append(self.make_run(block, variant, own, {name: flags[index] for name, flags in dead.items()}))
        return runs

    def diverged_run(self, stack: Stack, variant: Variant, epoch: int) -> Run:
        """The run of a variant whose loss stopped being finite in this epoch: no scores, curves up to there."""
        training = stack.training_of(variant)
        nothing = {metric: float("nan") for metric in metrics.METRICS[self.data.task]}
        run = self.make_run(training.block, variant, {split: dict(nothing) for split in self.targets}, {})
        return replace(run, seconds=seconds_per_variant(stack, training), diverged_at=epoch)

    def make_run(
        self, block: Block, variant: Variant, scores: dict[str, dict[str, float]], dead: dict[str, np.ndarray]
    ) -> Run:
        """One variant's run, but for the seconds that it took."""
        index = next(index for index, each in block.indexed_variants() if each == variant)
        values = block.with_effective_weights(block.variant_values(block.state_dict(), index), variant)
        layers = [
            summarize_layer(name or "network", weight, values.get(block.gamma_name(site)), dead.get(name))
            for site, (name, weight) in enumerate(zip(block.layer_names, block.layer_weights(values), strict=True), 1)
        ]
        curves = {name: list(values) for name, values in self.curves[variant].items()}
        return Run(
            str(variant.recipe), variant.seed, scores, curves, layers, 0.0, model=block.trained_module(values, variant)
        )

    def scores(self, block: Block, split: str, rows: int | None = None) -> dict[str, np.ndarray]:
        """Every metric of every variant on the first rows of a split, each (seeds, recipes)."""
        parts = [block.predictions(x) for x in torch.split(self.device_data.x[split][:rows], block.eval_batch_size)]
        z = torch.cat(parts, dim=2).cpu().numpy()
        y = self.targets[split][:rows]
        return metrics.scores(z, y, task=self.data.task, target_scale=self.data.target_scale)

    def dead_units(self, block: Block) -> dict[str, np.ndarray]:
        """For each layer, which units are the same on every training row, (seeds, recipes, units)."""
        ranges = [block.unit_ranges(x) for x in torch.split(self.device_data.x["train"], block.eval_batch_size)]
        return {
            name: metrics.dead_units(
                torch.stack([each[name][0] for each in ranges]).amin(0).float().cpu().numpy(),
                torch.stack([each[name][1] for each in ranges]).amax(0).float().cpu().numpy(),
            )
            for name in ranges[0]
        }


def seconds_per_variant(stack: Stack, training: BlockTraining) -> float:
    """Return one variant's share of the seconds that its block and the stack have taken."""
    return training.seconds / len(training.block.grid) + stack.seconds / len(stack.variants)


def summarize_layer(name: str, weight: Tensor, gammas: Tensor | None, dead: np.ndarray | None) -> LayerSummary:
    """Summarize one weighted layer and the batch norm behind it; ``dead`` is None where it was not measured."""
    w = weight.double().cpu().numpy()
    return LayerSummary(
        name=name,
        units=len(w),
        dead_units=0 if dead is None else int(dead.sum()),
        weight_norm=float(np.sqrt(np.square(w).sum())),
        weights=metrics.weight_histogram(w),
        gammas=None if gammas is None else gammas.tolist(),
    )
