"""Which of several lengths a training has, by scores some of which nobody measured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pytest

from bridle.metric_info import Criterion
from bridle.protocol import Protocol, Variant
from bridle.recipe import Recipe
from bridle.results import Run
from bridle.training_length import find_lengths, improves

UNMEASURED = (math.nan, math.inf, -math.inf)
OPEN, ROWS = Protocol(batch_size=64), 120  # 200, 400, ... epochs


def length_found(scores: Sequence[float], criterion: Criterion) -> tuple[int, int]:
    """Train lengths that score so, one after the other; return the best and how many were tried."""
    left = iter(scores)

    def train(variants: Sequence[Variant], protocol: Protocol) -> Iterator[Run]:
        for each in variants:
            curves = {"epoch": [float(protocol.n_epochs)]}
            yield Run(str(each.recipe), each.seed, {"valid": {criterion.name: next(left)}}, curves, [], 0.0)

    (run,) = find_lengths([Variant(Recipe(), 0)], OPEN, ROWS, criterion, train)
    return run.epochs, len(run.lengths)


@pytest.mark.parametrize("unmeasured", UNMEASURED)
@pytest.mark.parametrize("name", ["own", "accuracy", "r2"])
@pytest.mark.parametrize("higher", [True, False])
def test_a_score_that_is_not_finite_never_improves_and_everything_finite_improves_on_it(
    unmeasured: float, name: str, higher: bool
) -> None:
    criterion = Criterion(name, higher)
    assert not improves(unmeasured, 0.5, criterion) and improves(0.5, unmeasured, criterion)
    assert not criterion.is_better(unmeasured, 0.5) and criterion.is_better(0.5, unmeasured)
    assert not any(improves(unmeasured, other, criterion) for other in UNMEASURED)
    assert not any(criterion.is_better(unmeasured, other) for other in UNMEASURED)


@pytest.mark.parametrize("unmeasured", UNMEASURED)
@pytest.mark.parametrize("higher", [True, False])
def test_a_length_without_a_score_is_not_the_best_and_does_not_keep_a_longer_one_from_being_tried(
    unmeasured: float, higher: bool
) -> None:
    criterion = Criterion("own", higher)
    better = 0.4 if higher else 0.2
    assert length_found([unmeasured, 0.3, better, 0.3], criterion) == (800, 4)
    assert length_found([0.3, unmeasured, better], criterion) == (200, 2)
