"""Early stopping in the user's own loop, with the weights of the best epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from bridle.attaching.training_progress import TrainingProgress
from bridle.errors import InputError
from bridle.places import Stop
from bridle.recipe import Recipe
from bridle.training_rules import stop_regularizers

__all__ = ["Stopping"]


class Stopping:
    """The early-stopping regularizers of a recipe, their states, and the weights of the best epoch."""

    def __init__(self, recipe: Recipe) -> None:
        self.units = stop_regularizers(recipe)
        self.states: list[tuple[float, ...]] = [unit.state for unit in self.units]
        self.best: dict[str, Tensor] = {}

    def update(self, loss: float, metric: float | None, progress: TrainingProgress) -> tuple[bool, bool]:
        """Return if the epoch is the best so far, by the first regularizer that stops, and if any of them stops."""
        verdicts = []
        for number, unit in enumerate(self.units):
            knobs = unit.keywords(passed=progress.passed)
            score = watched_score(unit, loss, metric)
            improved, over, self.states[number] = unit.judge(score, self.states[number], knobs)
            verdicts.append((improved, over))
        return verdicts[0][0], any(over for _, over in verdicts)

    def state_dict(self) -> dict[str, Any]:
        """Return states and best weights."""
        return {"states": [list(state) for state in self.states], "best": self.best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load states and best weights."""
        self.states = [tuple(each) for each in state["states"]]
        self.best = dict(state["best"])


def watched_score(unit: Stop, loss: float, metric: float | None) -> float:
    """Return the score that a regularizer stops by, lower is better; ``ValueError`` where it was not given."""
    if not unit.watches_metric:
        return float(loss)
    if metric is None:
        raise InputError(f"{unit!r} watches a metric: handle.stop(valid_loss, metric=...), higher is better")
    return -float(metric)
