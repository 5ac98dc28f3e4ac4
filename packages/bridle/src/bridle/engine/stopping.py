"""The best epoch of each variant, by its recipe's regularizers that stop or by the protocol, and who is done."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from bridle.engine.stack import Stack
from bridle.engine.value_names import ValueName
from bridle.places import Stop
from bridle.protocol import Protocol, Variant
from bridle.training_rules import ChoosingMetric, choosing_score, keeps_best_epoch, monitored_score

__all__ = ["BestEpoch", "Points", "StackStopping", "stop_regularizers"]

Points = dict[Variant, dict[str, float]]


@dataclass
class BestEpoch:
    """The best epoch of a variant so far; its values are kept beside those of its block."""

    states: list[tuple[float, ...]]  # of the recipe's regularizers that stop
    score: float = math.inf  # where it has none: of the best epoch, lower is better
    epoch: int = 0  # 0: no epoch had a score
    passed: float = 0.0  # share of the training that was over by then
    names: tuple[ValueName, ...] = ()  # of the values that there were: an ensemble has more later


class StackStopping:
    """The bests of one stack's variants, as far as their recipes stop or the protocol keeps the best."""

    def __init__(self, variants: Iterable[Variant], protocol: Protocol, metric: ChoosingMetric) -> None:
        self.metric = metric
        self.bests = {
            variant: BestEpoch([unit.state for unit in stop_regularizers(variant)])
            for variant in variants
            if keeps_best_epoch(protocol, variant.recipe)
        }

    @property
    def found(self) -> dict[Variant, BestEpoch]:
        """Those that there are: by a metric that has no value on the validation rows, no epoch is the best."""
        return {variant: best for variant, best in self.bests.items() if best.epoch}

    def after_epoch(self, stack: Stack, points: Points, epoch: int) -> list[Variant]:
        """Take in an epoch's scores; returns the variants that stop here."""
        stopped = []
        for training in stack.trainings:
            block, improving = training.block, []
            names = (*block.parameters, *block.state)
            for index, variant in block.indexed_variants():
                best = self.bests.get(variant)
                if best is None or variant not in points:
                    continue
                improved, over = self.update(variant, best, points[variant], stack.steps_done / stack.steps)
                if improved:
                    best.epoch, best.passed, best.names = epoch, block.passed, names
                    improving.append(index)
                if over:
                    stopped.append(variant)
            if improving:
                training.keep_values(improving)
        return stopped

    def update(self, variant: Variant, best: BestEpoch, point: dict[str, float], passed: float) -> tuple[bool, bool]:
        """Return two flags: this is the best epoch so far; the training stops here.

        The first of a recipe's regularizers that stop says which is the best, any of them stops.
        """
        units = stop_regularizers(variant)
        if not units:
            score = choosing_score(point, self.metric)
            improved = score < best.score
            best.score = score if improved else best.score
            return improved, False
        verdicts = []
        for number, unit in enumerate(units):
            score = monitored_score(unit, point, self.metric)
            improved, over, best.states[number] = unit.judge(score, best.states[number], unit.keywords(passed=passed))
            verdicts.append((improved, over))
        return verdicts[0][0] or not best.epoch, any(over for _, over in verdicts)


def stop_regularizers(variant: Variant) -> list[Stop]:
    """Return the regularizers of a variant that stop."""
    return [unit for unit in variant.recipe if isinstance(unit, Stop)]
