"""Whether matrix products in bfloat16 cost accuracy: the same seeds trained in both precisions."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import torch
from scipy import stats

import bridle
import workloads
from bridle.engine import train_variants
from bridle.engine.precision import has_bfloat16_units

SEEDS, EPOCHS = 16, 3
CONFIDENCE = 0.95


class Agreement(TypedDict):
    """Test accuracy in both precisions, one number per seed, and the verdict in words."""

    words: str
    float32: list[float]
    bfloat16: list[float]


def agreement(work: workloads.Workload, device: torch.device) -> Agreement:
    """Paired by seed, since a seed means the same initial weights and batches in both."""
    if work.name != "MNIST":
        return Agreement(words="Accuracy in bfloat16: not measured: needs --data-dir", float32=[], bfloat16=[])
    single, half = (test_accuracies(work, precision) for precision in ("float32", "bfloat16"))
    difference = np.subtract(half, single)
    low, high = stats.ttest_1samp(difference, 0.0).confidence_interval(CONFIDENCE)
    agrees = "agree within noise" if low <= 0 <= high else "DIFFER"
    emulated = "" if has_bfloat16_units(device) else " (emulated: no units for it here)"
    words = (
        f"Test accuracy after {EPOCHS} epochs, {SEEDS} seeds: float32 {percent(single)}, bfloat16{emulated} "
        f"{percent(half)}; paired difference {100 * difference.mean():+.3f} points, "
        f"95 % interval {100 * low:+.3f} to {100 * high:+.3f}: they {agrees}"
    )
    return Agreement(words=words, float32=single, bfloat16=half)


def test_accuracies(work: workloads.Workload, precision: str) -> list[float]:
    """One per seed."""
    protocol = work.protocol(epochs=EPOCHS, precision=precision)
    runs = train_variants(work.data, workloads.seeds_alone(SEEDS), bridle.mlp(*workloads.HIDDEN), protocol)
    return [run.scores["test"]["accuracy"] for run in sorted(runs, key=lambda run: run.seed)]


def percent(values: list[float]) -> str:
    """Mean and standard deviation."""
    return f"{100 * np.mean(values):.2f} +- {100 * np.std(values, ddof=1):.2f} %"
