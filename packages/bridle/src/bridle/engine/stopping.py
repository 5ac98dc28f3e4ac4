"""The best epoch of each variant, by its recipe's regularizers that stop or by the protocol, and who is done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bridle.engine.stack import Stack
from bridle.engine.value_names import ValueName
from bridle.metric_info import Criterion
from bridle.protocol import Protocol, Variant
from bridle.training_rules import EpochChoice, keeps_best_epoch

__all__ = ["BestEpoch", "Points", "StackStopping"]

Points = dict[Variant, dict[str, float]]


@dataclass
class BestEpoch:
    """The best epoch of a variant so far; its values are kept beside those of its block."""

    choice: EpochChoice
    passed: float = 0.0  # share of the training that was over by then
    names: tuple[ValueName, ...] = ()  # of the values that there were: an ensemble has more later

    @property
    def epoch(self) -> int:
        """Its number; 0 where no epoch had a score."""
        return self.choice.epoch


class StackStopping:
    """The bests of one stack's variants, as far as their recipes stop or the protocol keeps the best."""

    def __init__(self, variants: Iterable[Variant], protocol: Protocol, criterion: Criterion) -> None:
        self.criterion = criterion
        self.bests = {
            variant: BestEpoch(EpochChoice.start(variant.recipe))
            for variant in variants
            if keeps_best_epoch(protocol, variant.recipe)
        }

    @property
    def found(self) -> dict[Variant, BestEpoch]:
        """Those that there are: by a metric that has no value on the validation rows, no epoch is the best."""
        return {variant: best for variant, best in self.bests.items() if best.epoch}

    def after_epoch(self, stack: Stack, points: Points) -> list[Variant]:
        """Take in an epoch's scores; returns the variants that stop here."""
        stopped = []
        for training in stack.trainings:
            block, improving = training.block, []
            names = (*block.parameters, *block.state)
            for index, variant in block.indexed_variants():
                best = self.bests.get(variant)
                if best is None or variant not in points:
                    continue
                passed = stack.steps_done / stack.steps
                improved, over = best.choice.take(variant.recipe, points[variant], passed, self.criterion)
                if improved:
                    best.passed, best.names = block.passed, names
                    improving.append(index)
                if over:
                    stopped.append(variant)
            if improving:
                training.keep_values(improving)
        return stopped
