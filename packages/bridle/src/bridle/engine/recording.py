"""What is measured of a stack: curves after every epoch, scores and summaries at the end."""

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
from bridle.engine.feed import Table
from bridle.engine.stack import Stack, Worker
from bridle.engine.stopping import Best
from bridle.protocol import Variant
from bridle.results import MAIN_METRIC, LayerSummary, Run


class Recorder:
    """Measures the variants of one stack and makes their runs."""

    def __init__(self, data: Data, table: Table) -> None:
        self.data, self.table = data, table
        self.targets = {split: y for split, (_, y) in data.splits().items()}
        self.curves: dict[Variant, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def curve_points(
        self, stack: Stack, epoch: int, step_losses: dict[Variant, float]
    ) -> dict[Variant, dict[str, float]]:
        """One point of every curve; training rows are re-measured on as many of them as validation has."""
        clock = time.perf_counter()
        main = MAIN_METRIC[self.data.task]
        points: dict[Variant, dict[str, float]] = {}
        for block, _, pieces, _ in stack.workers:
            with pieces.result(self.measured_on()):
                train = self.scores(block, "train", len(self.targets["valid"]))
                valid = self.scores(block, "valid")
            for index, variant in block.indices():
                points[variant] = {"epoch": epoch, "step_loss": step_losses[variant]}
                for metric in ("loss", main):
                    points[variant][f"train_{metric}"] = float(train[metric][index])
                    points[variant][f"valid_{metric}"] = float(valid[metric][index])
        stack.seconds += time.perf_counter() - clock
        return points

    def keep(self, points: dict[Variant, dict[str, float]]) -> None:
        """Add points to the curves of those that are still in training."""
        for variant, point in points.items():
            for name, value in point.items():
                self.curves[variant][name].append(value)

    def forget(self, variants: Iterable[Variant]) -> None:
        """Begin the curves of these variants anew."""
        for variant in variants:
            self.curves.pop(variant, None)

    def measured_on(self) -> Tensor:
        """The training rows on which running statistics are measured anew, where a recipe wants that."""
        return self.table.x["train"][:MEASURED_ROWS]

    def finished(self, stack: Stack, bests: dict[Variant, Best]) -> Iterator[Run]:
        """The runs of all variants that are still in the stack, at the end of training; ``bests`` are kept instead."""
        for worker in stack.workers:
            if any(variant not in bests for variant in worker.block.grid.variants):
                clock = time.perf_counter()
                runs = self.measured(stack, worker)
                worker.block.seconds += time.perf_counter() - clock
                seconds = self.share(stack, worker.block)
                for run, variant in zip(runs, worker.block.grid.variants, strict=True):
                    if variant not in bests:
                        yield replace(run, seconds=seconds)
        for variant in stack.variants:
            if variant in bests:
                yield self.kept(stack, variant, bests[variant])

    def left(self, stack: Stack, variant: Variant, epoch: int, best: Best | None) -> Run:
        """The run of a variant that leaves behind an epoch: stopped, with its best epoch, or diverged, without one."""
        return self.diverged(stack, variant, epoch) if best is None else self.kept(stack, variant, best, epoch)

    def kept(self, stack: Stack, variant: Variant, best: Best, stopped_at: int | None = None) -> Run:
        """The run of a variant as it was in its best epoch."""
        block = next(block for block in stack.blocks if variant in block.grid.variants)
        clock = time.perf_counter()
        (run,) = self.measured(stack, stack.alone(variant, best.values, best.passed))
        seconds = self.share(stack, block) + time.perf_counter() - clock
        return replace(run, seconds=seconds, best_epoch=best.epoch, stopped_at=stopped_at)

    def measured(self, stack: Stack, worker: Worker) -> list[Run]:
        """The runs of a block's variants as they stand, without the seconds that they took."""
        block = worker.block
        with worker.pieces.result(self.measured_on()):
            scores = {split: self.scores(block, split) for split in self.targets}
            dead = self.dead_units(block)
            runs = []
            for index, variant in block.indices():
                own = {
                    split: {metric: float(values[index]) for metric, values in by_metric.items()}
                    for split, by_metric in scores.items()
                }
                runs.append(self.run(block, variant, own, {name: flags[index] for name, flags in dead.items()}))
        return runs

    def share(self, stack: Stack, block: Block) -> float:
        """One variant's share of the seconds that its block and the stack have taken."""
        return block.seconds / len(block.grid) + stack.seconds / len(stack.variants)

    def diverged(self, stack: Stack, variant: Variant, epoch: int) -> Run:
        """The run of a variant whose loss stopped being finite in this epoch: no scores, curves up to there."""
        block = next(block for block in stack.blocks if variant in block.grid.variants)
        nothing = {metric: float("nan") for metric in metrics.METRICS[self.data.task]}
        run = self.run(block, variant, {split: dict(nothing) for split in self.targets}, {})
        return replace(run, seconds=self.share(stack, block), diverged_at=epoch)

    def run(
        self, block: Block, variant: Variant, scores: dict[str, dict[str, float]], dead: dict[str, np.ndarray]
    ) -> Run:
        """One variant's run, but for the seconds that it took."""
        index = next(index for index, each in block.indices() if each == variant)
        values = block.baked(block.variant_values(block.everything(), index), variant)
        layers = [
            summary(name or "network", weight, values.get(block.gamma_name(site)), dead.get(name))
            for site, (name, weight) in enumerate(zip(block.layer_names, block.layer_weights(values), strict=True), 1)
        ]
        curves = {name: list(values) for name, values in self.curves[variant].items()}
        return Run(str(variant.recipe), variant.seed, scores, curves, layers, 0.0, model=block.result(values, variant))

    def scores(self, block: Block, split: str, rows: int | None = None) -> dict[str, np.ndarray]:
        """Every metric of every variant on the first rows of a split, each (seeds, recipes)."""
        parts = [block.predictions(x) for x in torch.split(self.table.x[split][:rows], block.rows_at_a_time)]
        z = torch.cat(parts, dim=2).cpu().numpy()
        y = self.targets[split][:rows]
        return metrics.scores(z, y, task=self.data.task, target_scale=self.data.target_scale)

    def dead_units(self, block: Block) -> dict[str, np.ndarray]:
        """For each layer, which units are the same on every training row, (seeds, recipes, units)."""
        ranges = [block.unit_ranges(x) for x in torch.split(self.table.x["train"], block.rows_at_a_time)]
        return {
            name: metrics.dead_units(
                torch.stack([each[name][0] for each in ranges]).amin(0).float().cpu().numpy(),
                torch.stack([each[name][1] for each in ranges]).amax(0).float().cpu().numpy(),
            )
            for name in ranges[0]
        }


def summary(name: str, weight: Tensor, gammas: Tensor | None, dead: np.ndarray | None) -> LayerSummary:
    """What became of one weighted layer and the batch norm behind it; ``dead`` is None where nobody looked."""
    w = weight.double().cpu().numpy()
    return LayerSummary(
        name=name,
        units=len(w),
        dead_units=0 if dead is None else int(dead.sum()),
        weight_norm=float(np.sqrt(np.square(w).sum())),
        weights=metrics.weight_histogram(w),
        gammas=None if gammas is None else gammas.tolist(),
    )
