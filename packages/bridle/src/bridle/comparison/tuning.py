"""Tuning with equal budgets: every contender gets as many trials of its strengths and learning rate.

Trials are trained and judged within the training rows alone, on folds of them and under seeds that are not used again.
They run by synchronous successive halving, the same for all: each rung trains twice as long as the one before, from
the start, and the worse half of every contender's trials leaves, with those that longer training does not help.
Jamieson and Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter Optimization, 2016,
https://arxiv.org/abs/1502.07943.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import qmc

from bridle import memory_estimate
from bridle.data import Data
from bridle.errors import InputError
from bridle.knobs import Knob, knobs
from bridle.metric_info import Criterion
from bridle.networks import Network
from bridle.protocol import Protocol, Variant
from bridle.recipe import Recipe, Regularizer
from bridle.results import Run, Summary, Trial
from bridle.training_length import ends_late, improves

__all__ = ["Chosen", "Tuned", "check_apart", "check_trials", "tune"]

RATE_FACTORS = (0.25, 0.5, 1.0, 2.5)  # of the optimizer's default learning rate
STRENGTH_FACTOR = 30.0  # a strength is searched from this many times below what was given to as many times above
WIDEST_SHARE = 0.75  # a rate or share is searched up to this much of the way to its far end
FOLDS = ((1000, 4), (4000, 2))  # training rows below which trials are judged on so many folds; above on one
FIRST_SEED = 1_000_000  # of the trials: none that a comparison is likely to use


class Chosen(NamedTuple):
    """The setting of a contender that its trials found best."""

    recipe: Recipe
    lr: float | None  # None: the protocol's


@dataclass
class Candidate:
    """One trial under way: a setting of a contender, and its mean scores over the folds, rung by rung."""

    recipe: Recipe
    lr: float
    scores: list[float] = field(default_factory=list)
    epochs: int = 0
    improving: bool = True  # whether longer training may help

    def loss(self, criterion: Criterion) -> float:
        """Return the best score of all rungs, the lower the better."""
        return min(map(criterion.loss, self.scores), default=math.inf)

    def trial(self) -> Trial:
        """Return the trial as plain data."""
        return Trial(str(self.recipe), self.lr, self.scores, self.epochs)


@dataclass(frozen=True)
class Tuned:
    """The trials of each contender and what they chose, and how they were made."""

    trials: Mapping[Recipe, list[Trial]]
    chosen: Mapping[Recipe, Chosen]
    how: dict[str, Any]  # for study.json


# Trains variants on a fold's data under a protocol of fixed length.
TrainFold = Callable[[Data, Sequence[Variant], Protocol], Mapping[Variant, Run]]


def tune(  # noqa: PLR0917  (as one says it: what, how often, on what, how)
    recipes: Sequence[Recipe], trials: int, data: Data, protocol: Protocol, criterion: Criterion, train: TrainFold
) -> Tuned:
    """Tune every recipe with so many trials on folds of the training rows of ``data``."""
    folds = inner_folds(data)
    lengths = rungs(protocol, min(len(fold.x_train) for fold in folds), trials)
    candidates = {recipe: draw_candidates(recipe, trials, protocol) for recipe in recipes}
    active = {recipe: list(its) for recipe, its in candidates.items()}
    for epochs in lengths:
        entered = [each for its in active.values() for each in its]
        train_rung(entered, folds, protocol.with_length(epochs), criterion, train)
        active = {recipe: promoted(its, criterion) for recipe, its in active.items()}
        if not any(active.values()):
            break
    chosen = {recipe: choose(its, criterion) for recipe, its in candidates.items()}
    how = {
        "trials": trials,
        "folds": len(folds),
        "rows": [len(fold.x_train) for fold in folds],
        "epochs": lengths,
        "seeds": [FIRST_SEED + fold for fold in range(len(folds))],
        "test": "not scored in any trial; scored once in every final run, after the strengths were chosen",
    }
    return Tuned({recipe: [each.trial() for each in its] for recipe, its in candidates.items()}, chosen, how)


def check_apart(recipes: Sequence[Recipe]) -> None:
    """Raise ``ValueError`` where tuning may make one contender of two: they differ in nothing but what is searched."""
    for one, other in combinations(recipes, 2):
        if untuned(one) == untuned(other):
            raise InputError(
                f"compare: {str(one)!r} and {str(other)!r} differ only in strengths, which tuning searches for each "
                "contender: both may end as the same; give one of them, or compare these strengths without tuning"
            )


def untuned(recipe: Recipe) -> list[dict[str, Any]]:
    """Return a recipe as plain data with nothing in the place of what is searched."""
    settings = recipe.to_json()
    for number, knob in tuned_knobs(recipe):
        settings[number] = {**settings[number], knob.name: None}
    return settings


def check_trials(network: Network, data: Data, protocol: Protocol, recipes: int, trials: int) -> None:
    """Raise ``ValueError`` where no rows can be held out for the trials, or so many trials do not fit in memory."""
    folds = inner_folds(data)
    first = protocol.with_length(protocol.lengths(len(folds[0].x_train))[0])
    memory_estimate.check_training(network, folds[0], first, trials * recipes * len(folds), fewer="trials")


def inner_folds(data: Data) -> list[Data]:
    """Return the folds of the training rows on which a trial is judged: as many as there should be, or can be.

    Few groups or times, or a class of a single row, leave fewer. ``ValueError`` where they leave none.
    """
    wanted = next((folds for rows, folds in FOLDS if len(data.x_train) < rows), 1)
    problem = ""
    for count in range(wanted, 0, -1):
        try:
            return [data.inner(fold, count) for fold in range(count)]
        except InputError as error:  # each of many reasons, which the data know
            problem, _, _ = str(error).partition(";")
    raise InputError(
        f"compare: the training rows cannot be split once more, to tune on: {problem}; leave tuning (--tune, tuned=) "
        "out, or give more rows"
    )


def rungs(protocol: Protocol, rows: int, trials: int) -> list[int]:
    """Return the epochs of each rung: halving goes on as long as there are trials to halve."""
    lengths = protocol.lengths(rows)
    return lengths[: max(1, math.ceil(math.log2(max(2, trials))))]


def train_rung(
    candidates: Sequence[Candidate], folds: Sequence[Data], protocol: Protocol, criterion: Criterion, train: TrainFold
) -> None:
    """Train every candidate on each fold, and note its mean score, and whether longer training may help it."""
    variants = [[Variant(each.recipe, FIRST_SEED + n, each.lr) for each in candidates] for n, _ in enumerate(folds)]
    found = [train(fold, its, protocol) for fold, its in zip(folds, variants, strict=True)]
    for number, each in enumerate(candidates):
        runs = [of_fold[its[number]] for of_fold, its in zip(found, variants, strict=True)]
        score = Summary.of([run.scores["valid"][criterion.name] for run in runs]).mean
        each.improving = worth_more(runs, score, each, protocol.n_epochs, criterion)
        each.scores.append(score)
        each.epochs = protocol.n_epochs


def worth_more(runs: Sequence[Run], score: float, known: Candidate, epochs: int, criterion: Criterion) -> bool:
    """Return True where twice the length is worth a try, as for a single run; see ``training_length``."""
    late = 2 * sum(ends_late(run, epochs) for run in runs) >= len(runs)
    return late and (not known.scores or improves(score, known.scores[-1], criterion))


def promoted(candidates: list[Candidate], criterion: Criterion) -> list[Candidate]:
    """Return those of the better half of a contender's candidates, at least one, that longer training may help."""
    return [each for each in ranked(candidates, criterion)[: max(1, len(candidates) // 2)] if each.improving]


def ranked(candidates: list[Candidate], criterion: Criterion) -> list[Candidate]:
    """Return candidates by their best score, those without a finite one last; equals keep their order."""
    return sorted(candidates, key=lambda each: each.loss(criterion))


def choose(candidates: list[Candidate], criterion: Criterion) -> Chosen:
    """Return the setting of the best candidate."""
    best = ranked(candidates, criterion)[0]
    return Chosen(best.recipe, best.lr)


def draw_candidates(recipe: Recipe, trials: int, protocol: Protocol) -> list[Candidate]:
    """Draw settings that cover strengths and learning rates evenly; the first is the recipe as it was given.

    Points of a scrambled Sobol sequence whose seed is the same for all. Where a learning rate was given it is kept.
    """
    tuned = tuned_knobs(recipe)
    rates = [protocol.peak_lr] if protocol.lr is not None else [f * protocol.peak_lr for f in RATE_FACTORS]
    if not tuned:
        return [Candidate(recipe, rate) for rate in spread_rates(rates, trials)]
    sobol = qmc.Sobol(len(tuned), rng=np.random.default_rng(0))
    points = sobol.random_base2(math.ceil(math.log2(max(2, trials))))[:trials]
    found = [Candidate(recipe, protocol.peak_lr)]
    for number, point in enumerate(points[1:], start=1):
        found.append(Candidate(with_settings(recipe, tuned, point.tolist()), rates[number % len(rates)]))
    return found[:trials]


def spread_rates(rates: list[float], trials: int) -> list[float]:
    """Return learning rates for a contender that has no strengths: as many different ones as trials.

    >>> [round(rate, 5) for rate in spread_rates([0.0005, 0.008], 3)]
    [0.0005, 0.002, 0.008]
    """
    if len(rates) == 1:
        return rates
    return [float(rate) for rate in np.geomspace(rates[0], rates[-1], trials)] if trials > 1 else rates[:1]


def tuned_knobs(recipe: Recipe) -> list[tuple[int, Knob]]:
    """Return the strengths of a recipe: numbers that can be switched off, and are one number now, by regularizer."""
    return [
        (number, knob)
        for number, unit in enumerate(recipe)
        if unit.place != "average"  # shares of a training and decays near 1, not strengths
        for knob in knobs(unit)
        if knob.is_number and knob.off is not None and searchable(knob, getattr(unit, knob.name))
    ]


def searchable(knob: Knob, value: Any) -> bool:
    """Return True for a value to search around: one number, finite, and not switched off."""
    return isinstance(value, float) and math.isfinite(value) and value != knob.off


def with_settings(recipe: Recipe, tuned: Sequence[tuple[int, Knob]], point: Sequence[float]) -> Recipe:
    """Return the recipe with its strengths at a point of the unit cube."""
    units: list[Regularizer] = list(recipe)
    for (number, knob), share in zip(tuned, point, strict=True):
        value = rounded(search_value(knob, getattr(units[number], knob.name), share))
        units[number] = replace(units[number], **{knob.name: value})
    return Recipe(tuple(units))


def search_value(knob: Knob, given: float, share: float) -> float:
    """Return the value of a knob at a share of the way through its range of search.

    Strengths on a logarithmic scale are searched around what was given, shares from nothing to most of their range.
    """
    if knob.log:
        value = given * float(STRENGTH_FACTOR ** (2 * share - 1))
        return min(max(value, knob.low), knob.high)
    end = knob.high if knob.off == knob.low else knob.low
    if not math.isfinite(end):
        return given * 2 * share
    start = knob.low if end == knob.high else knob.high  # where it is off
    return start + share * WIDEST_SHARE * (end - start)


def rounded(value: float) -> float:
    """Return a value with two significant digits: nobody can tell more of them apart.

    >>> rounded(0.012345), rounded(0.5004)
    (0.012, 0.5)
    """
    return float(f"{value:.2g}")
