"""Runs that nobody trained, for the tests of this folder."""

import math
from collections.abc import Sequence

from bridle import Dropout, Recipe
from bridle.protocol import Variant
from bridle.results import LayerSummary, Run

SETTING = {"data": "abc", "network": "mlp(8)", "protocol": {"lr": 0.1}, "engine": "torch"}
VARIANT = Variant(Recipe.of(Dropout(rate=0.2)), 3)


def run_of(variant: Variant) -> Run:
    """Return a finished run without training, with every kind of value a run may hold."""
    layer = LayerSummary("linear1", 8, 1, 0.1 + 0.2, {"edges": [0.0, 1 / 3], "counts": [4.0]}, None)
    scores = {"valid": {"accuracy": 0.1 + 0.7, "log_loss": math.nan}}
    curves: dict[str, list[float]] = {"epoch": [1], "valid_loss": [0.25]}
    return Run(str(variant.recipe), variant.seed, scores, curves, [layer], 1.5, lr=variant.lr)


def scored(values: Sequence[float], metric: str = "accuracy", seeds: Sequence[int] | None = None) -> list[Run]:
    """Return one run per value, without training, with that score on the validation rows; nan is one that diverged."""
    return [
        Run("x", seed, {"valid": {metric: value}}, {}, [], 1.0, diverged_at=2 if math.isnan(value) else None)
        for seed, value in zip(range(len(values)) if seeds is None else seeds, values, strict=True)
    ]
