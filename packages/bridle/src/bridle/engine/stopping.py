"""Early stopping: which variants are done after an epoch, and the weights of the best epoch of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from bridle.engine.stack import Stack
from bridle.engine.value_names import Values
from bridle.places import Stop
from bridle.protocol import Variant
from bridle.results import MAIN_METRIC
from bridle.training_rules import monitored_score

__all__ = ["BestEpoch", "Points", "StackStopping"]

Points = dict[Variant, dict[str, float]]


@dataclass
class BestEpoch:
    """The best epoch of a variant with early stopping, and its regularizers' state."""

    states: list[tuple[float, ...]]
    epoch: int = 0
    passed: float = 0.0  # share of the training that was over by then
    values: Values = field(default_factory=dict)


class StackStopping:
    """The bests of one stack's variants, as far as their recipes have a regularizer that stops."""

    def __init__(self, variants: Iterable[Variant], task: str) -> None:
        self.main = MAIN_METRIC[task]
        self.bests = {
            variant: BestEpoch([unit.state for unit in stops])
            for variant in variants
            if (stops := stop_regularizers(variant))
        }

    def after_epoch(self, stack: Stack, points: Points, epoch: int) -> list[Variant]:
        """Take in an epoch's scores; returns the variants that stop here."""
        stopped = []
        for block in stack.blocks:
            for index, variant in block.indexed_variants():
                best = self.bests.get(variant)
                if best is None or variant not in points:
                    continue
                improved, over = self.update(variant, best, points[variant], stack.steps_done / stack.steps)
                if improved or not best.values:
                    best.epoch, best.passed = epoch, block.passed
                    best.values = block.variant_values(block.state_dict(), index)
                if over:
                    stopped.append(variant)
        return stopped

    def update(self, variant: Variant, best: BestEpoch, point: dict[str, float], passed: float) -> tuple[bool, bool]:
        """Return two flags: this is the best epoch so far, by the first regularizer that stops; any of them stops."""
        verdicts = []
        for number, unit in enumerate(stop_regularizers(variant)):
            score = monitored_score(unit, point, self.main)
            improved, over, best.states[number] = unit.judge(score, best.states[number], unit.keywords(passed=passed))
            verdicts.append((improved, over))
        return verdicts[0][0], any(over for _, over in verdicts)


def stop_regularizers(variant: Variant) -> list[Stop]:
    """Return the regularizers of a variant that stop."""
    return [unit for unit in variant.recipe if isinstance(unit, Stop)]
