"""The learning rate of a comparison, where none was given: the best of a small grid for the baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bridle.metric_info import Criterion
from bridle.protocol import Protocol, Variant
from bridle.recipe import Recipe
from bridle.results import Run, Summary

__all__ = ["choose_learning_rate"]

FACTORS = (0.25, 1.0, 4.0)  # of the optimizer's default
SEEDS = (2_000_000, 2_000_001)  # none that a comparison is likely to use

TrainAll = Callable[[Sequence[Variant], Protocol], Mapping[Variant, Run]]


def choose_learning_rate(protocol: Protocol, criterion: Criterion, train: TrainAll) -> float:
    """Return the learning rate whose baseline has the best validation score, by the mean over two seeds.

    All contenders are trained with it: a recipe that wants another one can be given it, or be tuned. Where no score is
    finite the least of the grid is returned.
    """
    rates = [factor * protocol.peak_lr for factor in FACTORS]
    variants = [Variant(Recipe(), seed, rate) for rate in rates for seed in SEEDS]
    found = train(variants, protocol)
    means = {
        rate: Summary.of([found[v].scores["valid"][criterion.name] for v in variants if v.lr == rate]).mean
        for rate in rates
    }
    return min(rates, key=lambda rate: criterion.loss(means[rate]))
