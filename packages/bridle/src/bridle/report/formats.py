"""Numbers as a reader sees them.

>>> shown("accuracy", 0.97413), shown("r2", 0.9534), shown("loss", 0.087231), shown("loss", float("nan"))
('97.41 %', '0.953', '0.0872', '—')
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bridle.results import Summary

PERCENT = ("accuracy", "calibration_error")
THREE_DECIMALS = ("r2",)
LABELS = {"r2": "R²", "rmse": "RMSE"}
NOTHING = "—"
MINUS = "−"


def label(metric: str) -> str:
    """A metric's name as a reader knows it.

    >>> label("r2"), label("calibration_error")
    ('R²', 'calibration error')
    """
    return LABELS.get(metric, metric.replace("_", " "))


def headed(text: str) -> str:
    """``text`` with a capital at its start and no other change.

    >>> headed("validation R²")
    'Validation R²'
    """
    return text[:1].upper() + text[1:]


def decimals(metric: str, value: float) -> int:
    """Returns the number of decimals of ``value``: fixed for fractions, three significant digits otherwise."""
    if metric in PERCENT:
        return 2
    if metric in THREE_DECIMALS:
        return 3
    if value == 0 or not math.isfinite(value):
        return 2
    return max(0, 2 - math.floor(math.log10(abs(value))))


def scaled(metric: str, value: float) -> float:
    """Fractions as percentages, everything else as it is."""
    return 100 * value if metric in PERCENT else value


def fixed(value: float, places: int) -> str:
    """``value`` with a true minus sign and none on a rounded zero; with a power of ten if very small or large.

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


def bare(metric: str, value: float) -> str:
    """A score without its unit, for a column whose head says it."""
    return fixed(scaled(metric, value), decimals(metric, value))


def shown(metric: str, value: float) -> str:
    """A score with its unit."""
    text = bare(metric, value)
    return f"{text} %" if metric in PERCENT and text != NOTHING else text


def spread(metric: str, summary: Summary | None) -> str:
    """Mean ± standard deviation over the seeds, without the unit; the mean alone for one seed.

    >>> spread("accuracy", Summary(0.97, 0.004, [0.966, 0.974])), spread("accuracy", Summary(0.97, 0.0, [0.97]))
    ('97.00 ± 0.40', '97.00')
    """
    if summary is None or not math.isfinite(summary.mean):
        return NOTHING
    mean = bare(metric, summary.mean)
    if len(summary.values) < 2 or "e" in mean:
        return mean
    return f"{mean} ± {fixed(scaled(metric, summary.sd), decimals(metric, summary.mean))}"


def signed(metric: str, value: float) -> str:
    """A difference of two scores with its sign, without the unit.

    >>> signed("accuracy", 0.0061), signed("accuracy", -0.004), signed("r2", 0.01)
    ('+0.61', '−0.40', '+0.010')
    """
    text = bare(metric, value)
    return f"+{text}" if value > 0 and text.strip("0.") else text


def points(metric: str, text: str) -> str:
    """``text`` with the unit of a difference: percentages differ by points."""
    return f"{text} points" if metric in PERCENT and text != NOTHING else text


def interval(metric: str, low: float, high: float) -> str:
    """``low to high`` with signs, for a sentence.

    >>> interval("accuracy", -0.002, 0.01)
    '−0.20 to +1.00'
    """
    return f"{signed(metric, low)} to {signed(metric, high)}"


def seconds(value: float) -> str:
    """A duration: ``0.42 s``, ``12 s``, ``3 min 20 s``.

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
    """A list in a sentence.

    >>> joined(["a"]), joined(["a", "b"]), joined(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
