"""Real numbers, wherever a number is given."""

from __future__ import annotations

from numbers import Real
from typing import TypeGuard

__all__ = ["is_number"]


def is_number(value: object) -> TypeGuard[float]:
    """Return True for one real number: NumPy's numbers are, a tensor, a truth value and a 10**400 are not."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        float(value)
    except OverflowError:
        return False
    return True
