"""Paired statistics: the difference between two recipes, its interval, and the verdict.

A contender and the baseline are trained under the same seeds, and a seed gives both the same initial weights, batches
and noise. So they are compared seed by seed. The n differences d of the main metric on the validation split have the
mean

    mean(d) ± t · sd(d) / √n        t: the 97.5 % point of Student's distribution with n - 1 degrees of freedom

The interval covers what the seed decides: over all seeds, on this split of these data and under this protocol, it holds
the mean difference 95 times in 100, if the differences are roughly normal.

It does not cover what all seeds share. Another draw or split of the data (the fewer the validation rows, the more that
matters), other strengths, longer training or another network may each give another answer. Every interval stands for
itself: of twenty recipes without any effect, one will look as if it had one. And the validation split chooses, so its
score flatters the chosen; the test score beside it is the one to quote.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.stats import t as student

from bridle.metric_info import higher_is_better
from bridle.results import HELPS, HURTS, SPLIT_NAMES, UNDECIDED, Run, Summary, Versus

__all__ = ["format_difference", "versus"]

CONFIDENCE = 0.95
METRIC_WORDS = {"r2": "R2", "rmse": "RMSE", "loss": "loss", "calibration_error": "calibration error"}

# Note [no spread]
# Where all differences are the same the interval has no width, and a score that is counted in rows makes that happen by
# chance when seeds are few. So a difference without any spread is judged by the sign test instead: n seeds that agree
# have probability 2^(1 - n) where there is no effect, which is below 5 % from the sixth seed on.
SEEDS_THAT_AGREE = 6


def half_width(values: Sequence[float]) -> float:
    """Return half the width of the 95 % confidence interval of the mean of ``values`` (two or more).

    >>> round(half_width([1.0, 2.0, 3.0]), 3)
    2.484
    """
    n = len(values)
    return float(student.ppf((1 + CONFIDENCE) / 2, n - 1)) * Summary.of(list(values)).sd / math.sqrt(n)


def differences(contender: Sequence[Run], baseline: Sequence[Run], metric: str, split: str) -> list[float]:
    """Return contender - baseline for each seed that both have, in the contender's order; nan where one diverged."""
    by_seed = {run.seed: run for run in baseline}
    pairs = [(run, by_seed[run.seed]) for run in contender if run.seed in by_seed]
    return [ours.scores[split][metric] - theirs.scores[split][metric] for ours, theirs in pairs]


def versus(contender: Sequence[Run], baseline: Sequence[Run], metric: str, split: str = "valid") -> Versus | None:
    """Compare with the baseline, paired by seed; ``None`` where fewer than two finite pairs are left."""
    values = differences(contender, baseline, metric, split)
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        return None
    mean, margin = Summary.of(finite).mean, half_width(finite)
    spread = not math.isclose(min(finite), max(finite), rel_tol=1e-9)  # equal differences, but for their rounding
    margin = margin if spread else 0.0
    shown = abs(mean) > margin if spread else mean != 0 and len(finite) >= SEEDS_THAT_AGREE
    verdict = UNDECIDED if not shown else HELPS if (mean > 0) == higher_is_better(metric) else HURTS
    words = verdict_sentence(verdict, mean, margin, len(finite), metric=metric, split=split)
    left_out = len(values) - len(finite)
    if left_out:
        words += f"; {left_out} of {len(values)} seeds left out, where a run diverged"
    return Versus(metric, split, mean, mean - margin, mean + margin, verdict, words, margin, values)


def verdict_sentence(verdict: str, mean: float, margin: float, seeds: int, *, metric: str, split: str) -> str:
    """Word the verdict.

    >>> verdict_sentence("helps", 0.0062, 0.0031, 5, metric="accuracy", split="valid")
    'helps: +0.62 points of validation accuracy (95 % interval +0.31 to +0.93, 5 seeds)'
    >>> verdict_sentence("no difference shown", -0.0005, 0.003, 5, metric="accuracy", split="valid")
    'no difference that 5 seeds can show (-0.05 points of validation accuracy; the smallest they could: 0.30)'
    """
    of = f"of {SPLIT_NAMES[split]} {METRIC_WORDS.get(metric, metric)}"
    unit = f" points {of}" if metric == "accuracy" else f" {of}"
    if margin == 0:
        return unanimous_sentence(verdict, mean, seeds, metric, unit)
    if verdict == UNDECIDED:
        smallest = format_difference(margin, metric).lstrip("+")
        difference = f"{format_difference(mean, metric)}{unit}"
        return f"no difference that {seeds} seeds can show ({difference}; the smallest they could: {smallest})"
    low, high = format_difference(mean - margin, metric), format_difference(mean + margin, metric)
    return f"{verdict}: {format_difference(mean, metric)}{unit} (95 % interval {low} to {high}, {seeds} seeds)"


def unanimous_sentence(verdict: str, mean: float, seeds: int, metric: str, unit: str) -> str:
    """Word the verdict where every seed gives the same difference; see Note [no spread]."""
    if mean == 0:
        return f"no difference: the same score as the baseline under each of {seeds} seeds"
    if verdict == UNDECIDED:
        return (
            f"no difference that {seeds} seeds can show ({format_difference(mean, metric)}{unit} under each of them: "
            f"no spread to judge it by, {SEEDS_THAT_AGREE} seeds that agree would show it)"
        )
    return f"{verdict}: {format_difference(mean, metric)}{unit} under each of {seeds} seeds"


def format_difference(value: float, metric: str) -> str:
    """Format a difference with its sign: percentage points for accuracy, else four digits.

    >>> format_difference(0.0062, "accuracy"), format_difference(-0.01234567, "r2")
    ('+0.62', '-0.01235')
    """
    return f"{100 * value:+z.2f}" if metric == "accuracy" else f"{value:+z.4g}"  # z: a zero without a minus
