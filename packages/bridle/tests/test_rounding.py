"""Numbers as text: their decimals follow their uncertainty, and nothing is rounded across zero."""

import math
import random

import pytest

from bridle.rounding import RoundedInterval, decimals_for, rounded, signed


@pytest.mark.parametrize(
    ("half_width", "decimals"),
    [(0.0312, 3), (0.0999, 2), (0.0994, 3), (0.5, 2), (1.04, 1), (9.96, 0), (12.3, 0), (4000.0, 0), (1e-5, 6)],
)
def test_half_the_width_is_given_with_two_significant_digits(half_width, decimals):
    assert decimals_for(half_width) == decimals


def test_without_a_width_the_value_has_three_significant_digits():
    assert decimals_for(0.0, 0.0123) == decimals_for(math.nan, -0.0123) == 4
    assert decimals_for(0.0) == decimals_for(math.inf, math.nan) == 2


def test_difference_and_bounds_have_the_same_decimals():
    assert RoundedInterval.of(0.4234, 0.2994, 0.5474) == RoundedInterval("+0.42", "+0.30", "+0.55", 2)


@pytest.mark.parametrize("bound", [-0.004, 0.003, 0.00002, -1e-9, 5e-324])
def test_a_bound_beside_zero_shows_its_side(bound):
    text = RoundedInterval.of(-0.25, -0.5, bound).high
    assert text.startswith("-" if bound < 0 else "+") and float(text) != 0
    assert math.copysign(1, float(text)) == math.copysign(1, bound)


def test_zero_is_zero_and_has_no_sign():
    assert signed(0.0, 2) == signed(-0.0, 2) == "0.00"
    assert rounded(-0.0, 1) == "0.0"


def test_no_number_is_rounded_across_or_to_zero_nor_far_from_itself():
    draw = random.Random(0)
    for _ in range(2000):
        low, high = sorted(draw.gauss(0, 1) * 10 ** draw.randint(-12, 12) for _ in range(2))
        middle = (low + high) / 2
        text = RoundedInterval.of(middle, low, high)
        for told, value in ((text.low, low), (text.difference, middle), (text.high, high)):
            assert (float(told) > 0) == (value > 0) and (float(told) < 0) == (value < 0)
            assert float(told) == pytest.approx(value, rel=0.5, abs=0.05 * (high - low))


@pytest.mark.parametrize(("value", "text"), [(math.nan, "nan"), (math.inf, "inf"), (1e300, "1.00e+300")])
def test_what_has_no_decimals_is_text_all_the_same(value, text):
    assert rounded(value, 2) == text


def test_fractions_are_shown_in_points():
    assert RoundedInterval.of(0.0061, 0.0031, 0.0091, scale=100) == RoundedInterval("+0.61", "+0.31", "+0.91", 2)
