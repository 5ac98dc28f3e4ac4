"""The learning rate of a comparison: the best of three for the baseline."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import pytest

from bridle import Recipe
from bridle.comparison.learning_rate import choose_learning_rate
from bridle.metric_info import Criterion
from bridle.protocol import Protocol, Variant
from bridle.results import Run

LOG_LOSS, ACCURACY = Criterion("log_loss", higher_is_better=False), Criterion("accuracy", higher_is_better=True)


def trainer(
    score: Callable[[float], float], name: str
) -> Callable[[Sequence[Variant], Protocol], Mapping[Variant, Run]]:
    """Return a function that scores runs by their learning rate instead of training them."""

    def train(variants: Sequence[Variant], protocol: Protocol) -> Mapping[Variant, Run]:
        assert {variant.recipe for variant in variants} == {Recipe()}
        return {
            each: Run("none", each.seed, {"valid": {name: score(each.lr or math.nan)}}, {}, [], 0.0, lr=each.lr)
            for each in variants
        }

    return train


@pytest.mark.parametrize("best", [0.0005, 0.002, 0.008])
def test_the_best_of_the_grid_is_chosen(best: float) -> None:
    def distance(rate: float) -> float:
        return abs(math.log(rate / best))

    assert choose_learning_rate(Protocol(), LOG_LOSS, trainer(distance, "log_loss")) == pytest.approx(best)
    assert choose_learning_rate(Protocol(), ACCURACY, trainer(lambda r: -distance(r), "accuracy")) == pytest.approx(
        best
    )


def test_the_grid_lies_around_the_default_of_the_optimizer() -> None:
    chosen = choose_learning_rate(Protocol(optimizer="sgd"), LOG_LOSS, trainer(lambda rate: -rate, "log_loss"))
    assert chosen == pytest.approx(0.4)


def test_a_rate_at_which_a_run_diverges_is_not_chosen() -> None:
    scores = trainer(lambda rate: math.nan if rate > 0.001 else 5.0, "log_loss")
    assert choose_learning_rate(Protocol(), LOG_LOSS, scores) == pytest.approx(0.0005)


def test_where_all_diverge_the_least_is_taken() -> None:
    chosen = choose_learning_rate(Protocol(), LOG_LOSS, trainer(lambda rate: math.nan, "log_loss"))
    assert chosen == pytest.approx(0.0005)
