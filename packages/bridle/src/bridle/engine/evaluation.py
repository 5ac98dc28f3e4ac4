"""Measurements of a block's networks as they are handed over, in evaluation mode."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from bridle import metrics
from bridle.data import Data
from bridle.engine.batches import DeviceData
from bridle.engine.block import Block
from bridle.engine.value_names import Values
from bridle.metric_info import MetricInfo
from bridle.metrics import Metric
from bridle.results import LayerSummary
from bridle.training_rules import MEASURED_ROWS

__all__ = ["Evaluator", "layer_summaries"]


class Evaluator:
    """Scores and summaries of all variants of a block on one table."""

    def __init__(self, data: Data, device_data: DeviceData, chosen: MetricInfo | Metric) -> None:
        self.data, self.device_data, self.chosen = data, device_data, chosen
        self.own = chosen if isinstance(chosen, Metric) else None
        self.targets = {split: y for split, (_, y) in data.splits().items()}

    @property
    def statistics_rows(self) -> Tensor:
        """The training rows on which running statistics are measured anew, where a recipe wants that."""
        return self.device_data.x["train"][:MEASURED_ROWS]

    def curve_points(self, block: Block) -> list[dict[str, float]]:
        """Measure each variant's loss and a metric on the validation rows, and on as many training rows."""
        rows = len(self.targets["valid"])
        found = {
            split: metrics.curve_scores(
                self.outputs(block, split, rows),
                self.targets[split][:rows],
                task=self.data.task,
                target_scale=self.data.target_scale,
                chosen=self.chosen,
            )
            for split in ("train", "valid")
        }
        shown = list(found["valid"])
        return [
            {f"{split}_{metric}": float(found[split][metric][index]) for metric in shown for split in found}
            for index, _ in block.indexed_variants()
        ]

    def final_scores(self, block: Block) -> list[dict[str, dict[str, float]]]:
        """Measure every metric of each variant on every split."""
        scores = {split: self.scores(block, split) for split in self.targets}
        return [
            {
                split: {metric: float(values[index]) for metric, values in by_metric.items()}
                for split, by_metric in scores.items()
            }
            for index, _ in block.indexed_variants()
        ]

    def no_scores(self) -> dict[str, dict[str, float]]:
        """Return nan for every metric on every split: the scores of a network that diverged."""
        return {
            split: dict.fromkeys(metrics.measured_metrics(self.data.task, self.own), math.nan) for split in self.targets
        }

    def scores(self, block: Block, split: str) -> dict[str, np.ndarray]:
        """Measure every metric of every variant on a split, each (seeds, recipes)."""
        z, y = self.outputs(block, split), self.targets[split]
        return metrics.scores(z, y, task=self.data.task, target_scale=self.data.target_scale, own=self.own)

    def outputs(self, block: Block, split: str, rows: int | None = None) -> np.ndarray:
        """Run the first rows of a split through every variant, (seeds, recipes, rows, outputs)."""
        parts = [block.predictions(x) for x in torch.split(self.device_data.x[split][:rows], block.eval_batch_size)]
        return torch.cat(parts, dim=2).cpu().numpy()

    def dead_units(self, block: Block) -> dict[str, np.ndarray]:
        """Find each layer's units that are the same on every training row, (seeds, recipes, units)."""
        ranges = [block.unit_ranges(x) for x in torch.split(self.device_data.x["train"], block.eval_batch_size)]
        return {
            name: metrics.dead_units(
                torch.stack([each[name][0] for each in ranges]).amin(0).float().cpu().numpy(),
                torch.stack([each[name][1] for each in ranges]).amax(0).float().cpu().numpy(),
            )
            for name in ranges[0]
        }


def layer_summaries(block: Block, values: Values, dead: dict[str, np.ndarray]) -> list[LayerSummary]:
    """Summarize the weighted layers of one network of the block; ``dead`` units by layer, where they were measured."""
    return [
        summarize_layer(name or "network", weight, values.get(block.gamma_name(site)), dead.get(name))
        for site, (name, weight) in enumerate(zip(block.layer_names, block.layer_weights(values), strict=True), 1)
    ]


def summarize_layer(name: str, weight: Tensor, gammas: Tensor | None, dead: np.ndarray | None) -> LayerSummary:
    """Summarize one weighted layer and the batch norm behind it; ``dead`` is None where it was not measured."""
    w = weight.double().cpu().numpy()
    with np.errstate(over="ignore"):  # a diverged network's finite weights may have an infinite norm
        norm = float(np.sqrt(np.square(w).sum()))
    return LayerSummary(
        name=name,
        units=len(w),
        dead_units=0 if dead is None else int(dead.sum()),
        weight_norm=norm,
        weights=metrics.weight_histogram(w),
        gammas=None if gammas is None else gammas.tolist(),
    )
