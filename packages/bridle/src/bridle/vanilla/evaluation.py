"""Measurements of a network, while it trains and when it is trained: always in evaluation mode."""

from __future__ import annotations

import math

import numpy as np

from bridle.data import Data
from bridle.metrics import METRICS, dead_units, scores, weight_histogram
from bridle.results import MAIN_METRIC, LayerSummary
from bridle.vanilla.layers import LinearPart
from bridle.vanilla.network import VanillaNetwork
from bridle.vanilla.step import Predict

__all__ = ["curve_point", "final_scores", "layer_summaries"]


def evaluate(predict: Predict, data: Data, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Measure every metric of the task on these rows."""
    found = scores(predict(x), y, task=data.task, target_scale=data.target_scale)
    return {metric: float(score) for metric, score in found.items()}


def curve_point(predict: Predict, data: Data) -> dict[str, float]:
    """Measure loss and main metric on the validation rows, and on as many training rows, the first ones."""
    rows = len(data.x_valid)
    train = evaluate(predict, data, data.x_train[:rows], data.y_train[:rows])
    valid = evaluate(predict, data, data.x_valid, data.y_valid)
    shown = ("loss", MAIN_METRIC[data.task])
    return {f"{split}_{each}": found[each] for split, found in (("train", train), ("valid", valid)) for each in shown}


def final_scores(predict: Predict, data: Data, diverged: bool) -> dict[str, dict[str, float]]:
    """Measure every metric on every split; nan for a network that diverged."""
    if diverged:
        return {split: dict.fromkeys(METRICS[data.task], math.nan) for split in data.splits()}
    return {split: evaluate(predict, data, x, y) for split, (x, y) in data.splits().items()}


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
