"""Verdicts as sentences: which way the metric moved, by how much, how surely, and what more seeds would tell."""

from __future__ import annotations

import math

from bridle.comparison.paired import LEVEL, Paired
from bridle.comparison.power import MOST_SEEDS
from bridle.metric_info import METRICS, metric_label
from bridle.results import SAME, SPLIT_NAMES, UNDECIDED, Versus
from bridle.rounding import decimals_for, rounded
from bridle_audit.wording import counted

__all__ = ["verdict_sentence"]

FEW_ROWS = 1000  # up to so many rows a difference of accuracy is told in rows as well


def verdict_sentence(paired: Paired, found: Versus, *, together: int, seeds_wanted: int | None = None) -> str:
    """Word the verdict on one of so many contenders that are judged ``together``.

    ``found`` has the verdict. ``seeds_wanted`` are those that were asked for, where an interrupt left fewer.
    """
    seeds = counted_seeds(paired, seeds_wanted)
    left_out = len(paired.values) - paired.n
    omitted = f"; {left_out} of {len(paired.values)} seeds left out, where a run has no score" if left_out else ""
    if found.verdict == UNDECIDED:
        return (
            f"{UNDECIDED}{more_seeds(paired, found)}: {measured(paired, found, seeds)}{hint(found, together)}{omitted}"
        )
    if found.verdict != SAME:
        return f"{found.verdict}: {measured(paired, found, seeds)}{omitted}"
    if paired.identical:
        return f"{SAME}: every score is the baseline's under each of {seeds}; it changed nothing{omitted}"
    return f"{SAME} within {in_points(paired.metric, paired.margin)}: {measured(paired, found, seeds)}{omitted}"


def measured(paired: Paired, found: Versus, seeds: str) -> str:
    """Return the difference with its direction in words, its interval and its seeds."""
    if not paired.spread:
        return f"{moved(paired, found)} under each of {seeds}"
    return f"{moved(paired, found)} (95 % interval {interval(found)}, {seeds})"


def moved(paired: Paired, found: Versus) -> str:
    """Return which way the metric moved and by how much, of few rows in rows as well."""
    what = f"{SPLIT_NAMES[paired.split]} {metric_label(paired.metric)}"
    if not paired.mean:
        return f"no difference in {what}" if paired.spread else f"the same {what} as the baseline"
    size = f"{rounded(scale(paired.metric) * abs(paired.mean), places(found))}{unit(paired.metric)}"
    return f"{what} {direction(paired.mean)} by {size}{rows_moved(paired)}"


def rows_moved(paired: Paired) -> str:
    """Return a difference of accuracy in rows, where rows are few."""
    if paired.metric != "accuracy" or not paired.n_rows or paired.n_rows > FEW_ROWS:
        return ""
    rows = round(abs(paired.mean) * paired.n_rows)
    return f", {'about ' + counted('row', rows) if rows else 'less than 1 row'} of {paired.n_rows}"


def interval(found: Versus) -> str:
    """Return the bounds as sizes in the direction of the difference, or in both where zero lies between them."""
    factor, decimals = scale(found.metric), places(found)
    low, high = (rounded(factor * abs(bound), decimals) for bound in (found.low, found.high))
    if found.low < 0 < found.high:
        return f"{low} {direction(found.low)} to {high} {direction(found.high)}"
    return f"{low} to {high}" if found.high > 0 else f"{high} to {low}"


def more_seeds(paired: Paired, found: Versus) -> str:
    """Return how many more seeds would settle it, in brackets; nothing where nothing is there to be settled."""
    if found.seeds_needed is None and not paired.spread:
        return ""
    if found.seeds_needed is None and paired.test_to_train:
        return " (more rows would tell, more seeds would not)"
    if found.seeds_needed is None:
        return f" (more than {MOST_SEEDS} seeds)"
    more = counted("more seed", found.seeds_needed - paired.n)
    return f" (about {more})" if paired.spread else f" ({more} with the same result)"


def hint(found: Versus, together: int) -> str:
    """Return why an interval beside zero is no verdict, and the size that would have been shown."""
    alone = found.p_value < LEVEL <= found.p_holm
    one_of_many = f"; alone it would count, but among {together} contenders chance may show one such" if alone else ""
    if not math.isfinite(found.smallest):
        return one_of_many
    seeds = counted("seed", sum(map(math.isfinite, found.values)))
    return f"{one_of_many}; {seeds} show {in_points(found.metric, found.smallest)} in 80 % of cases"


def counted_seeds(paired: Paired, wanted: int | None) -> str:
    """Return the number of seeds that are compared, and of how many, where an interrupt left some out."""
    if wanted and len(paired.values) < wanted:
        return f"{paired.n} of {wanted} seeds so far"
    return counted("seed", paired.n)


def in_points(metric: str, size: float) -> str:
    """Return a size of a metric with two significant digits and its unit.

    >>> in_points("accuracy", 0.002), in_points("log_loss", 0.0312), in_points("rmse", 261.7)
    ('0.2 points', '0.031', '262')
    """
    scaled = scale(metric) * size
    text = rounded(scaled, decimals_for(scaled))
    return f"{text.rstrip('0').rstrip('.') if '.' in text and 'e' not in text else text}{unit(metric)}"


def places(found: Versus) -> int:
    """Return the decimals of a difference and its bounds."""
    factor = scale(found.metric)
    return decimals_for(factor * (found.high / 2 - found.low / 2), factor * found.difference)


def direction(value: float) -> str:
    """Return which way a value moved that is not zero."""
    return "higher" if value > 0 else "lower"


def scale(metric: str) -> int:
    """Return what a score is multiplied with: 100 where it is told in percent."""
    return 100 if unit(metric) else 1


def unit(metric: str) -> str:
    """Return the unit behind a difference: points of a percentage."""
    return " points" if metric in METRICS and METRICS[metric].percentage else ""
