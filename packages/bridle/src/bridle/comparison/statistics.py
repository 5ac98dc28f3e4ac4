"""Who differs from the baseline: contenders paired with it seed by seed, judged together.

A contender and the baseline are trained under the same seeds, and a seed gives both the same initial weights, batches
and noise. So they are compared seed by seed: ``paired`` has the numbers of one contender, ``power`` what its seeds can
show, ``verdict_words`` the sentences. Here all contenders of a study are judged together:

- **helps**, **hurts**: the p-value of no difference, adjusted after Holm for all contenders, is below 0.05.
- **the same**: by two one-sided tests, adjusted likewise, the difference is smaller than the margin, the size up to
  which it is of no consequence. This goes first: a difference that is certain and of no consequence is "the same".
- **cannot tell yet**: neither.

Over all contenders together, the chance that one without any effect is said to help or hurt is at most 5 %, and so is
the chance that one with an effect as large as the margin is called the same; if the differences are roughly normal.
``benchmarks/verdicts.py`` measures it, also where they are not, and ``docs/statistics.md`` says what came out.

An interval covers what varies between the pairs. Where all seeds see the same split that is the seed alone: another
split of the data (the fewer the validation rows, the more that matters) may give another answer. Where each seed has a
split of its own it covers both. Nothing covers other strengths, a longer training, or another network. And the
validation rows choose, so their score flatters the chosen; the test score beside it is the one to quote.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from bridle.comparison.margins import checked_margin
from bridle.comparison.paired import LEVEL, Paired, bootstrap_interval, holm, permutation_p
from bridle.comparison.power import seeds_needed, smallest_difference
from bridle.comparison.verdict_words import verdict_sentence
from bridle.errors import InputError
from bridle.results import HELPS, HURTS, SAME, UNDECIDED, Run, Summary, Versus, to_plain

__all__ = ["decide", "judge", "measure", "pair", "versus"]

ROUNDING = 1e-12  # relative: scores that are the same but for their rounding


def versus(
    contender_runs: Sequence[Run],
    baseline_runs: Sequence[Run],
    metric: str,
    split: str = "valid",
    *,
    higher_is_better: bool,
    margin: float | None = None,
    test_to_train: float | None = None,
    n_rows: int | None = None,
) -> Versus | None:
    """Compare one contender with the baseline, paired by seed; ``None`` where fewer than two finite pairs are left.

    ``margin`` is the size up to which a difference is of no consequence (None: the metric's default; 0: every
    difference counts). ``test_to_train`` is the number of rows that are measured per row that is not, where every seed
    has a split of its own (of k folds 1 / (k - 1)), None where all see the same. ``n_rows`` is the number of rows
    measured. Several contenders are judged together by ``judge``; alone, as here, ``p_holm`` is ``p_value``.

    Raises ``ValueError`` for a margin or a ratio that is none.
    """
    paired = pair(
        contender_runs,
        baseline_runs,
        metric,
        split,
        higher_is_better=higher_is_better,
        margin=margin,
        test_to_train=test_to_train,
        n_rows=n_rows,
    )
    return judge([paired])[0] if paired else None


def pair(
    contender_runs: Sequence[Run],
    baseline_runs: Sequence[Run],
    metric: str,
    split: str,
    *,
    higher_is_better: bool,
    margin: float | None,
    test_to_train: float | None,
    n_rows: int | None,
) -> Paired | None:
    """Return the differences for each seed that both have, in the contender's order; ``None`` for less than two."""
    if test_to_train is not None and not 0 < test_to_train < math.inf:
        raise InputError(
            f"test_to_train must be measured rows per row that is not measured, above 0, or None, got {test_to_train!r}"
        )
    by_seed = {run.seed: run for run in baseline_runs}
    pairs = [(run, by_seed[run.seed]) for run in contender_runs if run.seed in by_seed]
    reference = [score for run in baseline_runs if math.isfinite(score := run.scores[split][metric])]
    paired = Paired(
        metric,
        split,
        [difference(one.scores[split][metric], other.scores[split][metric]) for one, other in pairs],
        higher_is_better,
        checked_margin(margin, metric, Summary.of(reference).mean if reference else math.nan),
        test_to_train,
        n_rows,
        identical=all(to_plain(one.scores) == to_plain(other.scores) for one, other in pairs),
    )
    return paired if paired.n >= 2 else None


def difference(ours: float, theirs: float) -> float:
    """Return ours - theirs: exactly 0 where they are the same but for their rounding, nan where one is not finite."""
    if not (math.isfinite(ours) and math.isfinite(theirs)):
        return math.nan
    return 0.0 if math.isclose(ours, theirs, rel_tol=ROUNDING) else ours - theirs


def measure(paired: Paired, level: float = LEVEL, level_same: float = LEVEL) -> Versus:
    """Return all numbers of one contender by itself, without a verdict.

    ``smallest`` and ``seeds_needed`` hold for tests at these levels: of no difference, and of one as large as the
    margin. Differences under splits that overlap are not independent, as the bootstrap and the flipping of signs
    assume: there these are nan.
    """
    low, high = paired.interval
    independent = paired.test_to_train is None
    bootstrap_low, bootstrap_high = bootstrap_interval(paired.finite) if independent else (math.nan, math.nan)
    return Versus(
        paired.metric,
        paired.split,
        paired.mean,
        low,
        high,
        verdict="",
        words="",
        smallest=smallest_difference(paired, level),
        values=paired.values,
        p_value=paired.p_value,
        p_permutation=permutation_p(paired.finite) if independent else math.nan,
        bootstrap_low=bootstrap_low,
        bootstrap_high=bootstrap_high,
        margin=paired.margin or None,
        p_same=paired.p_same,
        seeds_needed=seeds_needed(paired, level, level_same),
    )


def judge(compared: Sequence[Paired], seeds_wanted: int | None = None) -> list[Versus]:
    """Give all contenders of a study their verdicts together, in their order.

    ``p_holm`` and ``p_same`` are adjusted after Holm. ``smallest`` and ``seeds_needed`` hold at the level at which Holm
    judges that contender: 0.05 divided by the number of contenders, less those that were shown to differ.
    ``seeds_wanted`` are those that were asked for, where an interrupt left fewer.
    """
    found = [
        replace(
            measure(paired, decision.level, decision.level_same),
            verdict=decision.verdict,
            p_holm=decision.p_holm,
            p_same=decision.p_same,
        )
        for paired, decision in zip(compared, decide(compared), strict=True)
    ]
    return [
        replace(each, words=verdict_sentence(paired, each, together=len(compared), seeds_wanted=seeds_wanted))
        for paired, each in zip(compared, found, strict=True)
    ]


class Decision(NamedTuple):
    """The verdict on one of several contenders, and the levels at which Holm judges it."""

    verdict: str
    p_holm: float
    p_same: float  # adjusted as well
    level: float
    level_same: float


def decide(compared: Sequence[Paired]) -> list[Decision]:
    """Decide on all contenders together, in their order."""
    p_holm, p_same = holm([each.p_value for each in compared]), holm([each.p_same for each in compared])
    return [
        Decision(
            verdict(paired, p_holm[place], p_same[place]),
            p_holm[place],
            p_same[place],
            level_faced(p_holm, place),
            level_faced(p_same, place),
        )
        for place, paired in enumerate(compared)
    ]


def verdict(paired: Paired, p_holm: float, p_same: float) -> str:
    """Return the verdict that the adjusted p-values give."""
    if p_same < LEVEL:
        return SAME
    if p_holm < LEVEL:
        return HELPS if (paired.mean > 0) == paired.higher_is_better else HURTS
    return UNDECIDED


def level_faced(adjusted: Sequence[float], place: int) -> float:
    """Return the level at which Holm judges one p-value: 0.05 over the number of those that are not yet rejected."""
    asked = sum(not math.isnan(p) for p in adjusted)
    rejected = sum(p < LEVEL for other, p in enumerate(adjusted) if other != place)
    return LEVEL / max(1, asked - rejected)
