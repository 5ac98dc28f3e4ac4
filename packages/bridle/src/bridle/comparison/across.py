"""Several studies of the same contenders on different data: ranks, and how surely one is better than another.

Within a study seeds repeat, and say what happens on those data. Across studies the data sets repeat: each gives one
score per method, the mean over its seeds, and the question is what to expect on another data set. After Demšar
(*Statistical comparisons of classifiers over multiple data sets*, JMLR 7, 2006) methods are ranked within each study;
Friedman's test asks whether the ranks are more unequal than chance makes them, and Nemenyi's critical difference says
how far two average ranks must lie apart. Pairs are compared by wins and losses (sign test) and by the Bayesian
signed-rank test (Benavoli, Corani, Demšar and Zaffalon, *Time for a change*, JMLR 18, 2017): how probable it is that on
other data the one is mostly better, mostly the other, or mostly neither by more than the margin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import binomtest, f, friedmanchisquare, rankdata, studentized_range

from bridle.comparison.margins import checked_margin
from bridle.comparison.paired import LEVEL
from bridle.errors import InputError
from bridle.metric_info import METRICS, higher_is_better, metric_label
from bridle.results import SPLIT_NAMES, Study, Summary, to_plain

__all__ = ["Ranking", "rank_studies"]

PRIOR = 0.5  # the weight of the prior observation of the signed-rank test, which lies within the margin
SAMPLES = 50_000  # of its posterior


@dataclass(frozen=True)
class PairAcross:
    """Two methods over all studies; the first has the better average rank."""

    first: str
    second: str
    wins: int  # studies on which the first is better by more than the margin
    ties: int
    losses: int
    p_sign: float  # two-sided, of the sign test on wins and losses
    p_nemenyi: float  # that average ranks lie so far apart by chance, adjusted for all pairs
    first_better: float  # Bayesian signed-rank: the probability that on other data the first is mostly better
    same: float  # ... that mostly neither is, by more than the margin; 0 without a margin
    second_better: float


@dataclass(frozen=True)
class Ranking:
    """Methods ranked over several studies, the best average rank first."""

    metric: str
    split: str
    higher_is_better: bool
    margin: float  # differences up to this size are of no consequence; of errors in the target's units, a share
    studies: list[str]
    methods: list[str]
    scores: list[list[float]]  # for each method, one for each study
    ranks: list[list[float]]  # likewise; 1 is the best, ties share
    average_ranks: list[float]  # of each method
    p_friedman: float  # of ranks that differ by chance alone; nan for two methods
    p_iman_davenport: float  # the same by the less conservative F
    critical_difference: float  # average ranks closer than this are not told apart, at 5 %
    groups: list[list[str]]  # methods that are not told apart
    pairs: list[PairAcross]
    left_out: list[str]  # methods that some study lacks

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data; numbers that are not finite become null."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    def __str__(self) -> str:
        return "\n".join(lines(self))


def rank_studies(
    studies: Sequence[Study],
    *,
    metric: str | None = None,
    split: str = "test",
    margin: float | None = None,
    references: bool = True,
) -> Ranking:
    """Rank the contenders that all studies have, by the mean over the seeds of ``metric`` on ``split``.

    ``metric`` is by default the one that the studies chose by. ``margin`` is the size up to which a difference is of
    no consequence (None: the metric's default); errors in the units of the target are compared as ratios, and their
    margin is a share. A contender whose strengths were tuned goes by what was asked for. ``references`` takes those in
    that all studies have. A score that is not finite is the worst of its study.

    Raises ``ValueError`` where there are fewer than two studies or methods, or where they are not of one kind.
    """
    studies = list(studies)
    if len(studies) < 2:
        raise InputError(f"ranks need two studies or more, on different data, got {len(studies)}")
    check_different(studies)
    metric = metric or common_metric(studies)
    by_method = [scores_by_method(study, metric, split, references) for study in studies]
    everywhere = [name for name in by_method[0] if all(name in each for each in by_method)]
    if len(everywhere) < 2:
        raise InputError("the studies have fewer than two contenders in common; compare the same recipes on all data")
    rising = common_direction(studies, metric)
    scores = np.array([[each[name] for each in by_method] for name in everywhere])
    return ranking(
        scores,
        everywhere,
        study_names(studies),
        metric=metric,
        split=split,
        rising=rising,
        margin=checked_margin(margin, metric, 1.0),
        left_out=list(dict.fromkeys(name for each in by_method for name in each if name not in everywhere)),
    )


def check_different(studies: Sequence[Study]) -> None:
    """Raise ``ValueError`` where two studies are of the same data, which would count as two data sets."""
    seen: dict[str, str] = {}
    for study, name in zip(studies, study_names(studies), strict=True):
        content = str(study.data.get("fingerprint") or to_plain(study))
        if content in seen:
            raise InputError(
                f"the studies of {seen[content]} and {name} are of the same data, which would count twice; give one of "
                "them"
            )
        seen[content] = name


def common_metric(studies: Sequence[Study]) -> str:
    """Return the metric that all studies chose by; ``ValueError`` where they differ."""
    metrics = list(dict.fromkeys(study.metric for study in studies))
    if len(metrics) > 1:
        raise InputError(
            f"the studies chose by different metrics ({', '.join(metrics)}), which cannot be ranked together; name one "
            "that all have, or rank those of a kind"
        )
    return metrics[0]


def common_direction(studies: Sequence[Study], metric: str) -> bool:
    """Return True where a greater score is better; ``ValueError`` where studies that chose by the metric differ."""
    chose = [study for study in studies if study.metric == metric]
    rising, falling = (study_names([each for each in chose if each.higher_is_better == way]) for way in (True, False))
    if rising and falling:
        raise InputError(
            f"{metric} is better the higher in {', '.join(rising)} and the lower in {', '.join(falling)}, so it is not "
            "one metric; rank the studies of a kind, or by another metric that all have"
        )
    return bool(rising) if chose else higher_is_better(metric)


def scores_by_method(study: Study, metric: str, split: str, references: bool) -> dict[str, float]:
    """Return each method's mean score, the contenders first; ``ValueError`` where these were not measured.

    A contender that an interrupt left without any run is not there, nor is a reference that has no such score, as what
    early stopping gains is known of the validation rows alone.
    """
    check_measured(study, metric, split)
    methods: list[tuple[str, dict[str, dict[str, Summary]]]] = [
        (each.asked or each.name, each.scores) for each in study.contenders
    ]
    if references:
        methods += [(each.name, each.scores) for each in study.references if metric in each.scores.get(split, ())]
    return {method: scores[split][metric].mean for method, scores in methods if scores[split][metric].values}


def check_measured(study: Study, metric: str, split: str) -> None:
    """Raise ``ValueError`` where the contenders of a study, which all have the same scores, have no such one."""
    name, scores = study.data.get("name", "the data"), study.baseline.scores
    if split not in scores:
        raise InputError(
            f"the study of {name} has no {SPLIT_NAMES.get(split, split)} rows; rank on one of {', '.join(scores)}"
        )
    if metric not in scores[split]:
        raise InputError(f"the study of {name} has no {metric}; it has {', '.join(scores[split])}")


def study_names(studies: Sequence[Study]) -> list[str]:
    """Return the names of the data, numbered where several studies have the same.

    >>> numbered(["adult", "wine", "adult"])
    ['adult', 'wine', 'adult (2)']
    """
    return numbered([str(study.data.get("name", "data")) for study in studies])


def numbered(names: list[str]) -> list[str]:
    """Return the names, with a number behind those that have been before."""
    counts = [names[: place + 1].count(name) for place, name in enumerate(names)]
    return [name if count == 1 else f"{name} ({count})" for name, count in zip(names, counts, strict=True)]


def ranking(
    scores: np.ndarray,
    methods: list[str],
    studies: list[str],
    *,
    metric: str,
    split: str,
    rising: bool,
    margin: float,
    left_out: list[str],
) -> Ranking:
    """(methods, studies) -> the ranking."""
    scores = np.where(np.isfinite(scores), scores, math.nan)
    losses = -scores if rising else scores
    ranks = rankdata(np.where(np.isnan(losses), math.inf, losses), axis=0)
    order = np.argsort(ranks.mean(1), kind="stable")
    scores, ranks, methods = scores[order], ranks[order], [methods[place] for place in order]
    average = ranks.mean(1)
    critical = critical_difference(*ranks.shape)
    p_friedman, p_iman_davenport = friedman(ranks)
    return Ranking(
        metric,
        split,
        rising,
        margin,
        studies,
        methods,
        scores.tolist(),
        ranks.tolist(),
        average.tolist(),
        p_friedman,
        p_iman_davenport,
        critical,
        groups(average, methods, critical),
        pairs(comparable(scores, metric), average, methods, rising=rising, margin=margin, studies=len(studies)),
        left_out,
    )


def comparable(scores: np.ndarray, metric: str) -> np.ndarray:
    """Return scores whose differences mean the same on all data: logarithms of what is in the units of a target."""
    if not (metric in METRICS and METRICS[metric].in_target_units):
        return scores
    return np.asarray(np.log(np.maximum(scores, np.finfo(float).tiny)))


def friedman(ranks: np.ndarray) -> tuple[float, float]:
    """Return the p-values of Friedman's test and of its correction by Iman and Davenport; nan for two methods."""
    methods, studies = ranks.shape
    if methods < 3:
        return math.nan, math.nan
    if (ranks == ranks[0]).all():
        return 1.0, 1.0  # all tie everywhere
    found, freedom = friedmanchisquare(*ranks), methods - 1
    left = studies * freedom - float(found.statistic)  # 0 where all studies rank alike
    f_value = (studies - 1) * float(found.statistic) / left if left > 0 else math.inf
    return float(found.pvalue), float(f.sf(f_value, freedom, freedom * (studies - 1)))


def critical_difference(methods: int, studies: int) -> float:
    """Return how far two average ranks must lie apart to be told apart, at 5 % over all pairs (Nemenyi).

    >>> round(critical_difference(4, 14), 2)  # Demšar's example
    1.25
    """
    return float(studentized_range.isf(LEVEL, methods, math.inf)) * rank_error(methods, studies)


def rank_error(methods: int, studies: int) -> float:
    """Return the standard error of an average rank where there is no difference."""
    return math.sqrt(methods * (methods + 1) / (12 * studies))


def groups(average: np.ndarray, methods: list[str], critical: float) -> list[list[str]]:
    """Return the largest sets of methods, neighbours in average rank, that are not told apart."""
    ends = [int(np.searchsorted(average, low + critical, side="left")) for low in average]
    found = [(start, end) for start, end in enumerate(ends) if end - start > 1]
    return [methods[start:end] for place, (start, end) in enumerate(found) if not place or end > found[place - 1][1]]


def pairs(
    scores: np.ndarray, average: np.ndarray, methods: list[str], *, rising: bool, margin: float, studies: int
) -> list[PairAcross]:
    """Compare all methods two by two, the better average rank first."""
    error = rank_error(len(methods), studies)
    found = []
    for first, second in combinations(range(len(methods)), 2):
        gains = (scores[first] - scores[second]) * (1 if rising else -1)
        gains = gains[np.isfinite(gains)]
        wins, losses = int((gains > margin).sum()), int((gains < -margin).sum())
        first_better, same, second_better = signed_rank(gains, margin)
        found.append(
            PairAcross(
                methods[first],
                methods[second],
                wins,
                len(gains) - wins - losses,
                losses,
                float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0,
                float(studentized_range.sf((average[second] - average[first]) / error, len(methods), math.inf)),
                first_better,
                same,
                second_better,
            )
        )
    return found


def signed_rank(gains: np.ndarray, margin: float) -> tuple[float, float, float]:
    """(studies,) -> the probabilities that the gain on another data set is above the margin, within it, below it.

    The distribution of gains is unknown: it has a Dirichlet process as its prior, of one pseudo-observation of weight
    1/2 at zero. Each draw from the posterior weighs the observed gains, and gives the probability of each of the three
    for the mean of two gains; what is returned is how often each is the most probable.
    """
    observed = np.concatenate([[0.0], gains])
    sums = observed[:, None] + observed
    above, below = half_at_zero(sums - 2 * margin), half_at_zero(-sums - 2 * margin)
    weights = np.random.default_rng(0).dirichlet([PRIOR, *np.ones(len(gains))], SAMPLES)
    better, worse = (((weights @ region) * weights).sum(1) for region in (above, below))
    regions = np.stack([better, 1 - better - worse if margin else np.zeros(SAMPLES), worse])
    most_probable = regions == regions.max(0)
    first, same, second = (most_probable / most_probable.sum(0)).mean(1)
    return float(first), float(same), float(second)


def half_at_zero(values: np.ndarray) -> np.ndarray:
    """Return 1 above zero, 0 below, and 1/2 at it."""
    return np.asarray(np.heaviside(values, 0.5))


def lines(found: Ranking) -> list[str]:
    """Return the ranking as lines of text: average ranks, what they show, and the best against each other."""
    score = f"{SPLIT_NAMES.get(found.split, found.split)} {metric_label(found.metric)}"
    width = max(map(len, found.methods))
    best = {pair.second: pair for pair in found.pairs if pair.first == found.methods[0]}
    told = [f"{'method':<{width}}  rank  wins-ties-losses, P(better / same / worse) of {found.methods[0]} against it"]
    for method, rank in zip(found.methods, found.average_ranks, strict=True):
        told.append(f"{method:<{width}}  {rank:4.2f}{versus_best(best.get(method))}")
    return [
        f"average ranks over {len(found.studies)} studies ({score}, 1 is best): {', '.join(found.studies)}",
        "",
        *told,
        "",
        *conclusions(found),
    ]


def versus_best(pair: PairAcross | None) -> str:
    """Return the columns of the best method against one other."""
    if pair is None:
        return ""
    chances = " / ".join(f"{chance:.2f}" for chance in (pair.first_better, pair.same, pair.second_better))
    return f"  {f'{pair.wins}-{pair.ties}-{pair.losses}':>8}  {chances}"


def conclusions(found: Ranking) -> list[str]:
    """Return what the ranks show, in sentences."""
    said = [
        f"Ranks closer than {found.critical_difference:.2f} are not told apart (Nemenyi, 5 %)."
        + "".join(f" Not told apart: {', '.join(group)}." for group in found.groups)
    ]
    if math.isfinite(found.p_iman_davenport):
        chance = "below 0.001" if found.p_iman_davenport < 0.001 else f"{found.p_iman_davenport:.3f}"
        said.insert(0, f"Chance alone makes ranks so unequal with probability {chance} (Friedman, Iman and Davenport).")
    if found.left_out:
        said.append(f"Not in all studies, and left out: {', '.join(found.left_out)}.")
    return said
