"""Measurements of a network, while it trains and when it is trained: always in evaluation mode."""

from __future__ import annotations

import math

import numpy as np

from bridle.data import Data
from bridle.metrics import (
    Metric,
    curve_scores,
    dead_units,
    measured_metrics,
    resolve_metric,
    scores,
    weight_histogram,
)
from bridle.protocol import Protocol
from bridle.results import LayerSummary
from bridle.vanilla.layers import LinearPart
from bridle.vanilla.network import VanillaNetwork
from bridle.vanilla.step import Predict

__all__ = ["Evaluator", "layer_summaries"]


class Evaluator:
    """The scores of networks on one table; ``metric`` is the one that chooses."""

    def __init__(self, data: Data, protocol: Protocol, own_metric: Metric | None = None) -> None:
        self.data, self.own_metric = data, own_metric
        self.metric = resolve_metric(own_metric or protocol.metric, data.task)

    def curve_point(self, predict: Predict) -> dict[str, float]:
        """Measure what curves show on the validation rows, and on as many training rows, the first ones."""
        data, rows = self.data, len(self.data.x_valid)
        splits = {"train": (data.x_train[:rows], data.y_train[:rows]), "valid": (data.x_valid, data.y_valid)}
        found = {
            split: curve_scores(predict(x), y, task=data.task, target_scale=data.target_scale, chosen=self.metric)
            for split, (x, y) in splits.items()
        }
        return {f"{split}_{name}": float(found[split][name]) for split in found for name in found[split]}

    def final_scores(self, predict: Predict, diverged: bool) -> dict[str, dict[str, float]]:
        """Measure every metric on every split; nan for a network that diverged."""
        data = self.data
        if diverged:
            return {
                split: dict.fromkeys(measured_metrics(data.task, self.own_metric), math.nan) for split in data.splits()
            }
        return {split: self.scores(predict(x), y) for split, (x, y) in data.splits().items()}

    def scores(self, z: np.ndarray, y: np.ndarray) -> dict[str, float]:
        """Measure every metric of outputs (rows, outputs)."""
        data = self.data
        found = scores(z, y, task=data.task, target_scale=data.target_scale, own=self.own_metric)
        return {metric: float(score) for metric, score in found.items()}


def layer_summaries(network: VanillaNetwork, x: np.ndarray) -> list[LayerSummary]:
    """Summarize each linear layer; ``x`` (rows, ...) are the rows on which a unit may show that it is alive."""
    low: dict[str, np.ndarray] = {}
    high: dict[str, np.ndarray] = {}
    for activations in network.activations(x):
        for name, h in activations.items():
            low[name] = np.minimum(low.get(name, math.inf), h.min(0))
            high[name] = np.maximum(high.get(name, -math.inf), h.max(0))
    linears = [part for part in network.parts if isinstance(part, LinearPart)]
    gammas = [network.parameters.get(f"norm{number}.weight") for number, _ in enumerate(linears, start=1)]
    return [
        LayerSummary(
            name=linear.name,
            units=len(linear.bias),
            dead_units=int(dead_units(low[linear.name], high[linear.name]).sum()),
            weight_norm=float(np.sqrt((linear.effective_weight**2).sum())),
            weights=weight_histogram(linear.effective_weight),
            gammas=None if gamma is None else gamma.tolist(),
        )
        for linear, gamma in zip(linears, gammas, strict=True)
    ]
