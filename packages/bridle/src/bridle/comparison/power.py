"""What so many seeds show: the smallest difference that they tell, and the seeds that a difference needs.

The spread of the differences is itself known only from n seeds, and of a few seeds badly. A promise that took it as
known would be broken too often: what should be shown in 80 % of cases would be shown in 63 % with three seeds, in 69 %
with five and in 74 % with ten. So the chance is averaged over what the true spread may be (s / σ has the distribution
of √(χ²/(n - 1))), and the promise is a prediction: of the differences that studies name so, 80 % are shown when tried.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import chi2

from bridle.comparison.paired import Paired, student_quantile

__all__ = ["MOST_SEEDS", "detectable", "seeds_needed", "smallest_difference"]

POWER = 0.8
MOST_SEEDS = 1000  # more are never asked for
NODES = 64  # of the numerical integral over a spread; more change no size by more than 0.2 %


def smallest_difference(paired: Paired, level: float) -> float:
    """Return the true difference that as many seeds show in 80 % of cases, at this two-sided level; nan if not known.

    It is not known where the differences have no spread.
    """
    if not paired.spread:
        return math.nan
    return detectable(paired.n, level) * paired.standard_error


@lru_cache
def detectable(n: int, level: float) -> float:
    """Return the true difference that ``n`` seeds show in 80 % of cases, in standard errors as they are estimated."""

    def excess(difference: float) -> float:
        return chance_shown(n, n, difference, level) - POWER

    upper = 8.0
    while excess(upper) < 0:
        upper *= 2
    return float(brentq(excess, 0.0, upper, xtol=1e-6))


def chance_shown(n_known: int, n: int, difference: float, level: float) -> float:
    """Return the chance that ``n`` new seeds show a true difference, at a two-sided level.

    ``difference`` is in standard errors of the mean of n, with the spread as ``n_known`` seeds have estimated it.
    """
    critical = student_quantile(1 - level / 2, n - 1)
    known, known_weights = spreads(n_known - 1)
    new, new_weights = spreads(n - 1)
    shown = ndtr(difference * known[:, None] - critical * new)
    return float(known_weights @ shown @ new_weights)


def chance_same(n_known: int, n: int, difference: float, margin: float, level: float) -> float:
    """Return the chance that ``n`` new seeds show a true difference to be within the margin, at a one-sided level.

    ``difference``, without its sign, and ``margin`` are in standard errors, as in :func:`chance_shown`.
    """
    critical = student_quantile(1 - level, n - 1)
    known, known_weights = spreads(n_known - 1)
    new, new_weights = spreads(n - 1)
    below = ndtr((margin - difference) * known[:, None] - critical * new)
    above = ndtr(-(margin + difference) * known[:, None] + critical * new)
    return float(known_weights @ np.maximum(below - above, 0.0) @ new_weights)


@lru_cache(maxsize=MOST_SEEDS)
def spreads(freedom: int) -> tuple[np.ndarray, np.ndarray]:
    """Return values of s / σ, and their weights, to average over the spread that a sample may have."""
    nodes, weights = legendre_nodes()
    return np.sqrt(chi2.ppf((nodes + 1) / 2, freedom) / freedom), weights / 2


@cache
def legendre_nodes() -> tuple[np.ndarray, np.ndarray]:
    """Return where on (-1, 1) to evaluate an integrand, and the weights."""
    return np.polynomial.legendre.leggauss(NODES)


def seeds_needed(paired: Paired, level: float, level_same: float) -> int | None:
    """Return how many seeds would settle it in 80 % of cases if the true difference is the one seen.

    They show the difference, or that it is within the margin, whichever takes fewer; without any spread, if all go on
    to agree (see Note [no spread] in ``paired``). None where even 1000 would not.
    """
    if not paired.spread:
        return fewest(lambda n: agreed(paired, n, level, level_same))
    size, margin = abs(paired.mean) / paired.sd, paired.margin / paired.sd

    def shown(n: int) -> bool:
        return chance_shown(paired.n, n, size / paired.error_factor(n), level) >= POWER

    def same(n: int) -> bool:
        error = paired.error_factor(n)
        return chance_same(paired.n, n, size / error, margin / error, level_same) >= POWER

    found = [fewest(shown), fewest(same) if size < margin else None]
    return min((n for n in found if n is not None), default=None)


def fewest(settled: Callable[[int], bool]) -> int | None:
    """Return the fewest seeds that settle it; None where even the most would not."""
    candidates = range(2, MOST_SEEDS + 1)
    place = bisect_left(candidates, True, key=settled)
    return candidates[place] if place < len(candidates) else None


def agreed(paired: Paired, n: int, level: float, level_same: float) -> bool:
    """Return True if ``n`` seeds with the same difference settle it."""
    supposed = replace(paired, values=[paired.mean] * n)
    return supposed.p_value < level or supposed.p_same < level_same
