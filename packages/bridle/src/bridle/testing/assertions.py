"""Assertions that explain themselves when they fail, and a decorator that runs a check in every case of a class."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from numpy.testing import assert_allclose

from bridle.testing.cases import Case, Leaf, cases

__all__ = ["Check", "assert_close", "assert_identical", "assert_near", "for_every_case", "require"]

Check = Callable[[Leaf], None]


def require(condition: object, sentence: str) -> None:
    """Raise ``AssertionError`` with a sentence where a condition does not hold, under ``python -O`` as well."""
    if not condition:
        raise AssertionError(sentence)


def for_every_case(check: Callable[[Case], None]) -> Check:
    """A check of a class out of a check of one case."""

    @functools.wraps(check)
    def of_class(leaf: Leaf) -> None:
        for case in cases(leaf):
            check(case)

    return of_class


def assert_close(actual: object, expected: object, *, rtol: float = 1e-12, atol: float = 1e-14, what: str = "") -> None:
    """Equal but for rounding in float64."""
    assert_allclose(np.asarray(actual), np.asarray(expected), rtol=rtol, atol=atol, err_msg=what)


def assert_near(actual: object, expected: object, near: float, what: str) -> None:
    """Equal but for a share ``near`` of the value itself, or of the largest there is."""
    largest = np.abs(np.nan_to_num(np.asarray(expected), posinf=0.0)).max(initial=1.0)
    assert_close(actual, expected, rtol=near, atol=near * float(largest), what=what)


def assert_identical(actual: object, expected: object, what: str) -> None:
    """Equal in every bit."""
    require(np.asarray(actual).tobytes() == np.asarray(expected).tobytes(), what)
