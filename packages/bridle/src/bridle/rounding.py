"""Numbers with an interval as text: as many decimals as their uncertainty allows, the same wherever they are told.

Half the width of the interval is given with two significant digits, and its decimals are those of the difference and
of both bounds. No number is rounded to zero, or across it, unless it is zero: a bound that decides shows its side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

__all__ = ["RoundedInterval", "decimals_for", "rounded", "signed"]

MOST_DECIMALS = 6  # smaller numbers are written with a power of ten
WITHOUT_UNCERTAINTY = 3  # significant digits of a number whose uncertainty is not known


def decimals_for(half_width: float, value: float = 0.0) -> int:
    """Return the decimals that give half an interval's width two significant digits.

    Where the interval has no width, or none that is known, ``value`` has three significant digits instead.

    >>> decimals_for(0.0312), decimals_for(0.0996), decimals_for(12.3), decimals_for(0.0, 0.5)
    (3, 2, 0, 3)
    """
    if math.isfinite(half_width) and half_width > 0:
        return decimals(half_width, 2)
    return decimals(value, WITHOUT_UNCERTAINTY) if math.isfinite(value) and value else 2


def decimals(value: float, digits: int) -> int:
    """Return the decimals that give ``value``, finite and not zero, so many significant digits."""
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])  # after rounding: 0.0996 is 0.10 and not 0.100
    return max(0, digits - 1 - exponent)


def rounded(value: float, places: int) -> str:
    """Format with fixed decimals; what would be rounded to zero gets one significant digit instead.

    >>> rounded(0.4169, 2), rounded(-0.0032, 2), rounded(0.0, 2), rounded(1e-9, 2), rounded(3.1e-8, 9)
    ('0.42', '-0.003', '0.00', '1e-09', '3.1e-08')
    """
    if not math.isfinite(value):
        return str(value)
    if value and not f"{value:.{places}f}".strip("-0."):
        places = decimals(value, 1)
    if value and (places > MOST_DECIMALS or abs(value) >= 1e15):
        digits = places - decimals(value, 1) if places > MOST_DECIMALS else 2
        return f"{value:.{max(0, digits)}e}"
    return f"{value:z.{places}f}"


def signed(value: float, places: int) -> str:
    """Format like :func:`rounded`, with a sign unless it is zero.

    >>> signed(0.4169, 2), signed(-0.0032, 2), signed(0.0, 2)
    ('+0.42', '-0.003', '0.00')
    """
    return f"+{rounded(value, places)}" if value > 0 else rounded(value, places)


@dataclass(frozen=True)
class RoundedInterval:
    """A difference and the bounds of its interval as signed text, with the decimals of their uncertainty."""

    difference: str
    low: str
    high: str
    decimals: int  # of all three, where none of them would be rounded to zero

    @classmethod
    def of(cls, difference: float, low: float, high: float, scale: float = 1.0) -> Self:
        """Round three numbers alike; ``scale`` is 100 where a fraction is shown in points.

        >>> RoundedInterval.of(0.0061, 0.00003, 0.0121, scale=100)
        RoundedInterval(difference='+0.61', low='+0.003', high='+1.21', decimals=2)
        """
        places = decimals_for(scale * (high / 2 - low / 2), scale * difference)
        middle, *bounds = (signed(scale * each, places) for each in (difference, low, high))
        return cls(middle, bounds[0], bounds[1], places)
