"""Schedules and per-layer values: what they are at a moment, in a spot, in print."""

import math
from dataclasses import FrozenInstanceError

import pytest

from bridle import Dropout
from bridle.schedules import LAST, SCHEDULES, PerLayer, after, cosine, flat_cosine, linear, until

INF = float("inf")
MOMENTS = [step / 64 for step in range(64)] + [LAST]


def rate(schedule, passed):
    return Dropout(rate=schedule).numbers(passed=passed)["rate"]


def test_linear_moves_at_a_constant_speed_and_stays_at_its_end():
    assert [linear(1, 3, over=0.5).at(passed) for passed in (0, 0.125, 0.25, 0.5, LAST)] == [1, 1.5, 2, 3, 3]
    assert linear(0.2, 0.0).at(0.75) == pytest.approx(0.05)


def test_cosine_is_half_a_cosine_and_stays_at_its_end():
    for passed in MOMENTS:
        assert cosine(2, 0).at(passed) == pytest.approx(1 + math.cos(math.pi * passed))
        assert cosine(2, 0, over=0.5).at(passed / 2) == pytest.approx(1 + math.cos(math.pi * passed))
    assert cosine(2, 0, over=0.5).at(0.5) == cosine(2, 0, over=0.5).at(0.9) == 0


def test_flat_cosine_is_the_schedule_of_pytabkit():
    # pytabkit's "flat_cos": the value for one half of the training, then half a cosine to nothing
    for passed in MOMENTS:
        expected = 1.0 if passed < 0.5 else 0.5 * (1 + math.cos(math.pi * (2 * passed - 1)))
        assert flat_cosine(1.0, 0.0).at(passed) == pytest.approx(expected)


def test_flat_cosine_stays_as_long_as_it_is_told():
    assert [flat_cosine(0.4, 0.1, flat=0.75).at(passed) for passed in (0, 0.75)] == [0.4, 0.4]
    assert flat_cosine(0.4, 0.1, flat=0.75).at(0.875) == pytest.approx(0.25)
    assert flat_cosine(0.4, 0.0, flat=0.0).at(0.3) == cosine(0.4, 0.0).at(0.3)


def test_flat_cosine_ends_where_the_method_is_off_or_at_zero():
    assert rate(flat_cosine(0.4), LAST) == pytest.approx(0, abs=1e-12)
    assert repr(Dropout(rate=flat_cosine(0.4))) == "Dropout(rate=flat_cosine(0.4, end=0.0))"


def test_until_is_early_and_after_is_late():
    assert [rate(until(0.25, 0.3), passed) for passed in (0, math.nextafter(0.25, 0), 0.25, LAST)] == [0.3, 0.3, 0, 0]
    assert [rate(after(0.25, 0.3), passed) for passed in (0, math.nextafter(0.25, 0), 0.25, LAST)] == [0, 0, 0.3, 0.3]


def test_until_and_after_take_the_default_of_the_knob():
    assert Dropout(rate=until(0.25)) == Dropout(rate=until(0.25, 0.5))
    assert [rate(after(0.25), passed) for passed in (0, 0.5)] == [0, 0.5]


@pytest.mark.parametrize(
    "schedule", [linear(0.1, 0.3), linear(0.7, 0.1, over=0.3), cosine(0.3, 0.1), flat_cosine(0.7, 0.1)], ids=str
)
def test_a_schedule_never_leaves_what_lies_between_its_ends_and_never_turns_back(schedule):
    values = [schedule.at(passed) for passed in MOMENTS]
    assert values in (sorted(values), sorted(values, reverse=True))
    assert values[0] == schedule.ends[0]
    assert min(schedule.ends) <= min(values) <= max(values) <= max(schedule.ends)


@pytest.mark.parametrize("value", [0.1, 0.3, 1 / 3, 1e-300, 1e300])
@pytest.mark.parametrize("kind", [linear, cosine, flat_cosine])
def test_between_two_equal_ends_nothing_moves(kind, value):
    assert {kind(value, value).at(passed) for passed in MOMENTS} == {value}


def test_a_schedule_that_leaves_its_values_open_asks_for_a_knob():
    for schedule in (until(0.5), after(0.5, 0.1)):
        with pytest.raises(ValueError, match="takes its values from a knob"):
            schedule.at(0.1)
    with pytest.raises(ValueError, match="takes its values from a knob"):
        flat_cosine(0.4).at(0.9)


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        (linear(0, 0.3), "linear(0.0, 0.3)"),
        (linear(0, 0.3, over=0.2), "linear(0.0, 0.3, over=0.2)"),
        (linear(start=0, end=1, over=1), "linear(0.0, 1.0)"),
        (cosine(1, 0, 0.5), "cosine(1.0, 0.0, over=0.5)"),
        (flat_cosine(0.3), "flat_cosine(0.3)"),
        (flat_cosine(0.3, 0.1, 0.2), "flat_cosine(0.3, end=0.1, flat=0.2)"),
        (until(0.5), "until(0.5)"),
        (after(0.5, INF), "after(0.5, value=inf)"),
    ],
)
def test_a_schedule_prints_as_it_is_written_without_defaults(schedule, text):
    assert repr(schedule) == text
    assert eval(text, {"inf": INF, **SCHEDULES}) == schedule
    assert hash(eval(text, {"inf": INF, **SCHEDULES})) == hash(schedule)


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (linear, (0, "1"), "linear: end must be a number, got '1'"),
        (linear, (True, 1), "linear: start must be a number, got True"),
        (linear, (0, 10**400), "linear: end must be a number, got 1000"),
        (linear, (0, INF), "linear: end must be finite, got inf"),
        (cosine, (math.nan, 0), "cosine: start must be finite, got nan"),
        (linear, (0, 1, 0), r"linear: over must be a share of the training, in \(0, 1\], got 0"),
        (cosine, (0, 1, 1.1), r"cosine: over must be a share of the training, in \(0, 1\], got 1.1"),
        (flat_cosine, (1, 0, 1), r"flat_cosine: flat must be a share of the training, in \[0, 1\), got 1"),
        (flat_cosine, (None,), "flat_cosine: value must be a number, got None"),
        (until, (1.5,), r"until: share must be a share of the training, in \[0, 1\], got 1.5"),
        (after, (-0.1,), r"after: share must be a share of the training, in \[0, 1\], got -0.1"),
    ],
)
def test_a_schedule_says_what_it_cannot_be_made_of(kind, arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        kind(*arguments)


def test_schedules_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        linear(0, 1).start = 1  # type: ignore[misc]  # refused


def test_the_first_pattern_that_matches_one_of_the_names_wins():
    rates = {"0": 0.1, "linear2": 0.2, "linear*": 0.3, "*.weight": 0.4, "Conv2d": 0.5, "*": 0.6}
    stream_ids = {
        ("0", "input"): 0.1,
        ("2", "linear2", "Linear"): 0.2,
        ("1", "linear1", "Linear"): 0.3,
        ("conv1.weight", "conv1", "Conv2d"): 0.4,
        ("3", "conv1", "Conv2d"): 0.5,
        ("3", "CONV1", "conv2d"): 0.6,
        ("10",): 0.6,
        (): 0.6,
    }
    assert {stream_id: Dropout(rate=rates).numbers(*stream_id)["rate"] for stream_id in stream_ids} == stream_ids


def test_order_matters_to_values_by_layer():
    assert Dropout(rate={"1": 0.1, "linear1": 0.2}) != Dropout(rate={"linear1": 0.2, "1": 0.1})
    assert Dropout(rate={"1": 0.1, "linear1": 0.2}).numbers("1", "linear1") == {"rate": 0.1}


def test_values_by_layer_may_move():
    unit = Dropout(rate={"0": until(0.5), "*": linear(0, 0.4)})
    assert [unit.numbers("0", passed=passed)["rate"] for passed in (0.25, 0.75)] == [0.5, 0.0]
    assert [unit.numbers("1", passed=passed)["rate"] for passed in (0.25, 0.75)] == pytest.approx([0.1, 0.3])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "must have at least one pattern"),
        ({0: 0.1}, "a pattern .* is a word such as .* got 0"),
        ({"": 0.1}, "a pattern .* is a word such as .* got ''"),
        ({"*": 0.1, "0": 0.2}, "'0' stands behind '\\*', which matches everywhere; write '\\*' last"),
    ],
)
def test_values_by_layer_say_what_they_cannot_be_made_of(values, message):
    with pytest.raises(ValueError, match=f"^Dropout: rate: .*{message}"):
        Dropout(rate=values)


def test_a_dictionary_that_is_changed_later_does_not_change_the_regularizer():
    rates = {"*": 0.1}
    unit = Dropout(rate=rates)
    rates["*"] = 0.9
    assert unit.rate == PerLayer((("*", 0.1),))
