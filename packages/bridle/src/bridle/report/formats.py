"""Numbers and units as text: one form for each metric, and those of lengths, counts and durations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bridle.metric_info import METRICS
from bridle.results import SPLIT_NAMES, Summary
from bridle.rounding import decimals_for, rounded, signed

__all__ = [
    "MINUS",
    "NOTHING",
    "MetricFormat",
    "fixed",
    "headed",
    "joined",
    "mean_count",
    "p_value",
    "seconds",
    "significant",
    "true_minus",
]

FRACTION_DECIMALS = {"r2": 3, "auroc": 3}  # of scores at most 1, where nothing says how far they are known
NOTHING = "—"
MINUS = "−"


@dataclass(frozen=True)
class MetricFormat:
    """The form of a metric's numbers: percentages or plain, with as many decimals as ``places`` says.

    Without ``places`` percentages have two decimals, R² and AUROC three, others three significant digits.

    >>> MetricFormat("accuracy").shown(0.97413), MetricFormat("r2").shown(0.9534), MetricFormat("loss").shown(0.087231)
    ('97.41 %', '0.953', '0.0872')
    >>> MetricFormat("log_loss", places=2).shown(0.087231)
    '0.09'
    """

    name: str
    places: int | None = None

    @property
    def is_percentage(self) -> bool:
        """True for a fraction that is shown in percent, whose differences are points."""
        return self.name in METRICS and METRICS[self.name].percentage

    @property
    def label(self) -> str:
        """The name as papers write it: "R²", "log-loss", "calibration error"."""
        return METRICS[self.name].label if self.name in METRICS else self.name.replace("_", " ")

    def label_on(self, split: str) -> str:
        """Return the label with a split.

        >>> MetricFormat("r2").label_on("valid")
        'validation R²'
        """
        return f"{SPLIT_NAMES.get(split, split)} {self.label}"

    @property
    def suffix(self) -> str:
        """The unit behind a score: " %" for percentages."""
        return " %" if self.is_percentage else ""

    @property
    def head_unit(self) -> str:
        """The unit of scores in a column's head: " (%)" for percentages."""
        return " (%)" if self.is_percentage else ""

    @property
    def head_points(self) -> str:
        """The unit of differences in a column's head: " (points)" for percentages."""
        return " (points)" if self.is_percentage else ""

    @property
    def difference_unit(self) -> str:
        """The unit of an axis of differences: "points of accuracy", "R²"."""
        return f"points of {self.label}" if self.is_percentage else self.label

    def decimals(self, value: float) -> int:
        """Return the number of decimals of ``value``."""
        if self.places is not None:
            return self.places
        return 2 if self.is_percentage else FRACTION_DECIMALS.get(self.name, significant_decimals(value))

    def scaled(self, value: float) -> float:
        """Return a fraction as a percentage, any other score unchanged."""
        return 100 * value if self.is_percentage else value

    def bare(self, value: float) -> str:
        """Format a score without its unit, for a column whose head says it."""
        return fixed(self.scaled(value), self.decimals(value))

    def shown(self, value: float) -> str:
        """Format a score with its unit."""
        return self.with_unit(self.bare(value))

    def with_unit(self, text: str) -> str:
        """Append the unit, except to a dash."""
        return text if text == NOTHING else f"{text}{self.suffix}"

    def spread(self, summary: Summary) -> str:
        """Format mean ± standard deviation over the seeds, without the unit; the mean alone for one seed.

        >>> metric = MetricFormat("accuracy")
        >>> metric.spread(Summary(0.97, 0.004, [0.966, 0.974])), metric.spread(Summary(0.97, 0.0, [0.97]))
        ('97.00 ± 0.40', '97.00')
        """
        mean = self.bare(summary.mean)
        if mean == NOTHING or len(summary.values) < 2 or "e" in mean:
            return mean
        return f"{mean} ± {self.deviation(summary)}"

    def deviation(self, summary: Summary) -> str:
        """Format the standard deviation over the seeds, without the unit, with the decimals of the mean."""
        return fixed(self.scaled(summary.sd), self.decimals(summary.mean)) if len(summary.values) > 1 else NOTHING

    def signed(self, value: float) -> str:
        """Format a difference of two scores, or a bound of one, with its sign and without the unit.

        It is never rounded to zero, as :class:`bridle.rounding.RoundedInterval` has it.

        >>> MetricFormat("accuracy").signed(0.0061), MetricFormat("accuracy").signed(-0.00004)
        ('+0.61', '−0.004')
        """
        if not math.isfinite(value):
            return NOTHING
        return true_minus(signed(self.scaled(value), self.decimals(value)))

    def size(self, value: float) -> str:
        """Format the size of a difference with two significant digits and its unit.

        >>> MetricFormat("accuracy").size(0.002), MetricFormat("log_loss").size(0.0312)
        ('0.2 points', '0.031')
        """
        return self.in_points(self.bare_size(value))

    def bare_size(self, value: float) -> str:
        """Format the size of a difference without its unit, for a column whose head says it."""
        if not math.isfinite(value):
            return NOTHING
        scaled = self.scaled(value)
        text = rounded(scaled, decimals_for(scaled))
        return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text

    def in_points(self, text: str) -> str:
        """Append the unit of a difference, except to a dash: percentages differ by points."""
        return f"{text} points" if self.is_percentage and text != NOTHING else text


def headed(text: str) -> str:
    """Return ``text`` with a capital at its start and no other change.

    >>> headed("validation R²")
    'Validation R²'
    """
    return text[:1].upper() + text[1:]


def significant_decimals(value: float) -> int:
    """Return the number of decimals that gives ``value`` three significant digits."""
    if value == 0 or not math.isfinite(value):
        return 2
    return max(0, 2 - math.floor(math.log10(abs(value))))


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
    return true_minus(text)


def true_minus(text: str) -> str:
    """Write the minus sign of a number as print has it.

    >>> true_minus("-0.5")
    '−0.5'
    """
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


def p_value(value: float) -> str:
    """Format a p-value.

    >>> p_value(0.0312), p_value(0.0002), p_value(float("nan"))
    ('0.031', '< 0.001', '—')
    """
    return "< 0.001" if value < 0.001 else fixed(value, 3)


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
