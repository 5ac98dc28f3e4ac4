"""Averages of what is finite, and histograms brought onto common edges."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from bridle.results import Summary

__all__ = ["Histogram", "counted", "edges_over", "finite", "mean_of", "middle", "rebinned", "usable"]


def finite(values: Iterable[float]) -> list[float]:
    """Return the values that are finite."""
    return [value for value in values if math.isfinite(value)]


def mean_of(values: Iterable[float]) -> float:
    """Return the mean of the finite values; nan where there are none."""
    kept = finite(values)
    return Summary.of(kept).mean if kept else math.nan


def middle(values: Sequence[float]) -> float:
    """Return the median of the finite values; nan where there are none.

    >>> middle([3.0, 1.0, 2.0, float("nan")]), middle([1.0, 2.0])
    (2.0, 1.5)
    """
    kept = sorted(finite(values))
    if not kept:
        return math.nan
    half = len(kept) // 2
    return kept[half] if len(kept) % 2 else (kept[half - 1] + kept[half]) / 2


Histogram = dict[str, list[float]]  # {"edges": n + 1 numbers, "counts": n numbers}


def usable(histogram: Histogram) -> bool:
    """Return True if it has counts and finite edges: the weights of a run that diverged have neither."""
    counts, edges = histogram.get("counts", []), histogram.get("edges", [])
    whole = len(edges) == len(counts) + 1 and len(finite([*edges, *counts])) == len(edges) + len(counts)
    return whole and sum(counts) > 0


def rebinned(histogram: Histogram, edges: Sequence[float]) -> list[float]:
    """Return the share of the mass in each bin of ``edges``; a bin that is cut gives each side its share.

    A bin without width, which holds equal values, goes whole to the bin that it lies in.

    >>> rebinned({"edges": [0.0, 1.0, 2.0], "counts": [3, 1]}, [0.0, 0.5, 2.0])
    [0.375, 0.625]
    """
    total = math.fsum(histogram["counts"])
    shares = [0.0] * (len(edges) - 1)
    for (low, high), count in zip(pairwise(histogram["edges"]), histogram["counts"], strict=True):
        for place, (left, right) in enumerate(pairwise(edges)):
            shares[place] += count / total * overlap(low, high, left, right)
    return shares


def overlap(low: float, high: float, left: float, right: float) -> float:
    """Return the part of [low, high] that lies in [left, right]."""
    if high <= low:
        return float(left <= low < right)
    return max(0.0, min(high, right) - max(low, left)) / (high - low)


def edges_over(low: float, high: float, bins: int) -> list[float]:
    """Return the edges of ``bins`` equal bins; of width one in all where ``low`` and ``high`` are the same.

    >>> edges_over(0.0, 1.0, 2), edges_over(3.0, 3.0, 2)
    ([0.0, 0.5, 1.0], [2.5, 3.0, 3.5])
    """
    if high <= low:
        low, high = low - 0.5, low + 0.5
    return [low + (high - low) * place / bins for place in range(bins + 1)]


def counted(values: Iterable[float], edges: Sequence[float]) -> list[float]:
    """Return the share of ``values`` in each bin; the last bin holds its upper edge, values outside are in none.

    >>> counted([0.0, 0.2, 1.0], [0.0, 0.5, 1.0])
    [0.6666666666666666, 0.3333333333333333]
    """
    kept = finite(values)
    counts = [0] * (len(edges) - 1)
    for value in kept:
        if edges[0] <= value <= edges[-1]:
            counts[min(sum(value >= edge for edge in edges[1:]), len(counts) - 1)] += 1
    return [count / len(kept) for count in counts] if kept else [0.0] * len(counts)
