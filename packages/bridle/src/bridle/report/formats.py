"""Numbers and units as text, one form for each metric.

>>> shown("accuracy", 0.97413), shown("r2", 0.9534), shown("loss", 0.087231), shown("loss", float("nan"))
('97.41 %', '0.953', '0.0872', '—')
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bridle.results import SPLIT_NAMES, Summary

PERCENT = ("accuracy", "calibration_error")
THREE_DECIMALS = ("r2",)
LABELS = {"r2": "R²", "rmse": "RMSE"}
NOTHING = "—"
MINUS = "−"


def label(metric: str) -> str:
    """Return a metric's name as papers write it.

    >>> label("r2"), label("calibration_error")
    ('R²', 'calibration error')
    """
    return LABELS.get(metric, metric.replace("_", " "))


def split_label(split: str, metric: str) -> str:
    """Return the label of a metric on one split.

    >>> split_label("valid", "r2")
    'validation R²'
    """
    return f"{SPLIT_NAMES.get(split, split)} {label(metric)}"


def headed(text: str) -> str:
    """Return ``text`` with a capital at its start and no other change.

    >>> headed("validation R²")
    'Validation R²'
    """
    return text[:1].upper() + text[1:]


def suffix(metric: str) -> str:
    """Return the unit behind a score: " %" for percentages."""
    return " %" if metric in PERCENT else ""


def head_unit(metric: str) -> str:
    """Return the unit of a score in a column's head: " (%)" for percentages."""
    return " (%)" if metric in PERCENT else ""


def head_points(metric: str) -> str:
    """Return the unit of a difference in a column's head: percentages differ by points."""
    return " (points)" if metric in PERCENT else ""


def decimals(metric: str, value: float) -> int:
    """Return the number of decimals of ``value``: fixed for fractions, three significant digits otherwise."""
    if metric in PERCENT:
        return 2
    return 3 if metric in THREE_DECIMALS else significant_decimals(value)


def significant_decimals(value: float) -> int:
    """Return the number of decimals that gives ``value`` three significant digits."""
    if value == 0 or not math.isfinite(value):
        return 2
    return max(0, 2 - math.floor(math.log10(abs(value))))


def scaled(metric: str, value: float) -> float:
    """Return a fraction as a percentage, any other score unchanged."""
    return 100 * value if metric in PERCENT else value


def fixed(value: float, places: int) -> str:
    """Format with fixed decimals and a true minus sign, none on a rounded zero; with a power of ten at the extremes.

    >>> fixed(-0.5, 1), fixed(-0.001, 2), fixed(1.5e-7, 9), fixed(float("nan"), 2)
    ('−0.5', '0.00', '1.50e−07', '—')
    """
    if not math.isfinite(value):
        return NOTHING
    extreme = value != 0 and (places > 6 or abs(value) >= 1e7)
    text = f"{value:.2e}" if extreme else f"{value:.{places}f}"
    if text.startswith("-") and not text.strip("-0."):
        text = text[1:]
    return text.replace("-", MINUS)


def significant(value: float) -> str:
    """Format with three significant digits.

    >>> significant(0.012345), significant(128.0), significant(0.0), significant(float("nan"))
    ('0.0123', '128', '0', '—')
    """
    return "0" if value == 0 else fixed(value, significant_decimals(value))


def mean_count(value: float) -> str:
    """Format a mean of counts: without decimals where it is whole, else with one.

    >>> mean_count(3.0), mean_count(2.25), mean_count(float("nan"))
    ('3', '2.2', '—')
    """
    return fixed(value, 0 if math.isfinite(value) and value == int(value) else 1)


def bare(metric: str, value: float) -> str:
    """Format a score without its unit, for a column whose head says it."""
    return fixed(scaled(metric, value), decimals(metric, value))


def shown(metric: str, value: float) -> str:
    """Format a score with its unit."""
    return with_unit(metric, bare(metric, value))


def with_unit(metric: str, text: str) -> str:
    """Append the unit of the metric, except to a dash."""
    return text if text == NOTHING else f"{text}{suffix(metric)}"


def spread(metric: str, summary: Summary) -> str:
    """Format mean ± standard deviation over the seeds, without the unit; the mean alone for one seed.

    >>> spread("accuracy", Summary(0.97, 0.004, [0.966, 0.974])), spread("accuracy", Summary(0.97, 0.0, [0.97]))
    ('97.00 ± 0.40', '97.00')
    """
    mean = bare(metric, summary.mean)
    if mean == NOTHING or len(summary.values) < 2 or "e" in mean:
        return mean
    return f"{mean} ± {fixed(scaled(metric, summary.sd), decimals(metric, summary.mean))}"


def signed(metric: str, value: float) -> str:
    """Format a difference of two scores with its sign, without the unit.

    >>> signed("accuracy", 0.0061), signed("accuracy", -0.004), signed("r2", 0.01)
    ('+0.61', '−0.40', '+0.010')
    """
    text = bare(metric, value)
    return f"+{text}" if value > 0 and text.strip("0.") else text


def in_points(metric: str, text: str) -> str:
    """Append the unit of a difference, except to a dash: percentages differ by points."""
    return f"{text} points" if metric in PERCENT and text != NOTHING else text


def seconds(value: float) -> str:
    """Format a duration: ``0.42 s``, ``12 s``, ``3 min 20 s``.

    >>> seconds(0.423), seconds(12.3), seconds(200), seconds(7300)
    ('0.42 s', '12 s', '3 min 20 s', '2 h 1 min')
    """
    if not math.isfinite(value):
        return NOTHING
    if value < 10:
        return f"{value:.2f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def joined(parts: Sequence[str]) -> str:
    """Join the parts of a list in a sentence.

    >>> joined(["a"]), joined(["a", "b"]), joined(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
