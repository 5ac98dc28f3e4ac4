"""Decimals by uncertainty: a number is written as far as its uncertainty lets it be known, and no further."""

from __future__ import annotations

import math

__all__ = ["decimals_for"]


def decimals_for(half_width: float) -> int:
    """Return the number of decimals that gives a half-width two significant digits, at least none.

    >>> decimals_for(0.31), decimals_for(0.0042), decimals_for(12.0)
    (2, 4, 0)
    """
    return max(0, 1 - math.floor(math.log10(half_width)))
