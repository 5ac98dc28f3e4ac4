"""Early stopping: which variants are done after an epoch, and the weights of the best epoch of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bridle.acting import watched
from bridle.engine.block import Values
from bridle.engine.stack import Stack
from bridle.places import Stop
from bridle.protocol import Variant
from bridle.results import MAIN_METRIC

Points = dict[Variant, dict[str, float]]


@dataclass
class Best:
    """What a variant with early stopping takes along: its regularizers' state, and its best epoch."""

    states: list[tuple[Any, ...]]
    epoch: int = 0
    passed: float = 0.0  # share of the training that was over by then
    values: Values = field(default_factory=dict)


class Stopping:
    """The bests of one stack's variants, as far as their recipes have a regularizer that stops."""

    def __init__(self, variants: Iterable[Variant], task: str) -> None:
        self.main = MAIN_METRIC[task]
        self.bests = {
            variant: Best([tuple(unit.state.values()) for unit in stops])
            for variant in variants
            if (stops := stops_of(variant))
        }

    def after_epoch(self, stack: Stack, points: Points, epoch: int) -> list[Variant]:
        """Take in an epoch's scores; returns the variants that stop here."""
        stopped = []
        for block in stack.blocks:
            for index, variant in block.indices():
                best = self.bests.get(variant)
                if best is None or variant not in points:
                    continue
                improved, over = self.judge(variant, best, points[variant], stack.done / stack.steps)
                if improved or not best.values:
                    best.epoch, best.passed = epoch, block.passed
                    best.values = block.variant_values(block.everything(), index)
                if over:
                    stopped.append(variant)
        return stopped

    def judge(self, variant: Variant, best: Best, point: dict[str, float], passed: float) -> tuple[bool, bool]:
        """Whether the epoch is the best so far, by the first regularizer that stops, and whether any of them stops."""
        verdicts = []
        for number, unit in enumerate(stops_of(variant)):
            score = watched(unit, point, self.main)
            improved, over, *state = unit.vanilla(score, *best.states[number], **unit.numbers(passed=passed))
            best.states[number] = tuple(state)
            verdicts.append((bool(improved), bool(over)))
        return verdicts[0][0], any(over for _, over in verdicts)


def stops_of(variant: Variant) -> list[Any]:
    """The regularizers of a variant that stop."""
    return [unit for unit in variant.recipe if isinstance(unit, Stop)]
