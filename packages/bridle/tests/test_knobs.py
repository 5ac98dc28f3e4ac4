"""A knob is declared once and read by everybody."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from bridle import CATALOG, L2, BatchNorm, Dropout
from bridle.knobs import check_knobs, knob, knobs
from bridle.schedules import after, cosine, flat_cosine, linear, until

INF = float("inf")


@dataclass(frozen=True)
class Oven:
    colour: str = knob("red", "what it looks like", choices=("red", "blue"))
    label: str = knob("mine", "what stands on it")
    heat: float = knob(20.0, "degrees", off=0.0, high=250.0)
    hours: float = knob(1.0, "how long", open_low=True, log=True)
    ajar: float = knob(0.5, "fraction open", high=1.0, open_high=True)
    limit: float = knob(INF, "greatest", off=INF)
    serial: int = 7  # a field, but no knob

    def __post_init__(self):
        check_knobs(self)


def declared(name):
    return {each.name: each for each in knobs(Oven)}[name]


def test_numbers_come_first_then_words_each_in_the_order_of_declaration():
    assert [each.name for each in knobs(Oven)] == ["heat", "hours", "ajar", "limit", "colour", "label"]
    assert [each.name for each in knobs(Oven())] == [each.name for each in knobs(Oven)]


def test_a_knob_remembers_what_was_declared():
    heat = declared("heat")
    assert (heat.default, heat.meaning, heat.off, heat.low, heat.high, heat.log) == (
        20.0,
        "degrees",
        0.0,
        0,
        250,
        False,
    )
    assert declared("hours").log
    assert declared("colour").choices == ("red", "blue")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("heat", "[0, 250]"),
        ("hours", "(0, inf]"),
        ("ajar", "[0, 1)"),
        ("limit", "[0, inf]"),
        ("colour", "red | blue"),
        ("label", "a word"),
    ],
)
def test_a_range_reads_as_in_a_textbook(name, text):
    assert declared(name).range == text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("heat", 0),
        ("heat", 250.0),
        ("heat", np.float32(3)),
        ("heat", np.int64(3)),
        ("heat", Fraction(1, 3)),
        ("hours", 5e-324),
        ("ajar", math.nextafter(1, 0)),
        ("limit", INF),
        ("colour", "blue"),
        ("label", "anything at all"),
    ],
)
def test_values_in_range_are_admitted(name, value):
    assert declared(name).admits(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("heat", -1e-300),
        ("heat", 250.1),
        ("heat", math.nan),
        ("heat", np.float64("nan")),
        ("limit", -INF),
        ("limit", 10**400),
        ("heat", True),
        ("heat", np.True_),
        ("heat", "20"),
        ("heat", None),
        ("heat", 1j),
        ("heat", [20.0]),
        ("heat", np.array([20.0])),
        ("heat", torch.tensor(20.0)),
        ("hours", 0.0),
        ("ajar", 1.0),
        ("colour", "green"),
        ("colour", 1),
        ("label", ""),
        ("label", b"mine"),
        ("label", None),
    ],
)
def test_values_out_of_range_or_of_another_kind_are_not(name, value):
    assert not declared(name).admits(value)


def test_the_error_names_the_unit_the_knob_the_range_and_the_value():
    with pytest.raises(ValueError, match=r"^Oven: heat must be in \[0, 250\], got 300$"):
        Oven(heat=300)
    with pytest.raises(ValueError, match=r"^Oven: colour must be one of red \| blue, got 'green'$"):
        Oven(colour="green")
    with pytest.raises(ValueError, match=r"^Oven: label must be a word, got ''$"):
        Oven(label="")


def test_the_first_of_several_bad_knobs_is_named():
    with pytest.raises(ValueError, match="ajar"):
        Oven(ajar=-1, colour="green")


def test_whole_numbers_and_numpys_become_floats_so_that_equal_settings_are_equal():
    float_32: Any = np.float32(1)  # declared are Python's own numbers
    int_64: Any = np.int64(1)
    assert L2(strength=1) == L2(strength=1.0) == L2(strength=float_32) == L2(strength=int_64)
    assert repr(L2(strength=float_32)) == "L2(strength=1.0)"
    assert len({L2(strength=1), L2(strength=1.0)}) == 1


def test_numbers_keep_their_form_inside_schedules_and_per_layer_values():
    half: Any = np.float32(0.5)
    quarter: Any = Fraction(1, 4)
    given = Dropout(rate={"0": half, "*": linear(0, quarter)})
    assert given == Dropout(rate={"0": 0.5, "*": linear(0.0, 0.25)})
    assert repr(given) == "Dropout(rate={'0': 0.5, '*': linear(0.0, 0.25)})"
    assert hash(given) == hash(Dropout(rate={"0": 0.5, "*": linear(0.0, 0.25)}))


def test_an_unlimited_knob_may_be_infinite():
    assert math.isinf(Oven(limit=INF).limit)
    limit: Any = until(0.5, 3)
    assert declared("limit").at(Oven(limit=limit).limit, (), 0.7) == INF


def test_a_regularizer_is_off_where_a_knob_stands_at_its_off_value():
    assert Dropout(rate=0).is_off
    assert not Dropout(rate=1e-12).is_off


@pytest.mark.parametrize(
    "rate",
    [
        {"*": 0.0},
        {"0": 0.0, "*": 0},
        linear(0, 0),
        {"0": cosine(0, 0), "1": 0},
        until(0.0),
        after(1.0),
        until(0.5, 0.0),
    ],
    ids=str,
)
def test_a_regularizer_that_is_off_everywhere_and_always_is_off(rate):
    assert Dropout(rate=rate).is_off


@pytest.mark.parametrize(
    "rate",
    [
        {"0": 0.0, "*": 0.1},
        {"9": 0.1},
        linear(0, 0.1),
        linear(0.1, 0, over=0.1),
        flat_cosine(0.1),
        until(0.1),
        after(0.9),
    ],
    ids=str,
)
def test_a_regularizer_that_acts_somewhere_at_some_time_is_not_off(rate):
    assert not Dropout(rate=rate).is_off


def test_what_changes_over_time_is_scheduled():
    assert Dropout(rate=linear(0, 0.1)).is_scheduled
    assert Dropout(rate={"0": 0.1, "*": until(0.5)}).is_scheduled
    assert not Dropout(rate={"0": 0.1, "*": 0.2}).is_scheduled
    assert not Dropout(rate=0.1).is_scheduled


def test_settings_are_what_was_given_and_numbers_what_holds_there_and_then():
    unit = BatchNorm(momentum={"linear1": linear(0.5, 0.1), "*": 0.3})
    assert unit.settings(numbers=True) == {"momentum": unit.momentum, "eps": 1e-5}
    assert unit.numbers("1", "linear1", passed=0.5) == {"momentum": pytest.approx(0.3), "eps": 1e-5}
    assert unit.numbers() == {"momentum": 0.3, "eps": 1e-5}
    assert Dropout(rate=0.2).numbers("linear1", passed=0.9) == {"rate": 0.2}


def test_where_no_pattern_matches_a_knob_is_off_or_at_its_default():
    assert Dropout(rate={"0": 0.1}).numbers("1", "linear1") == {"rate": 0.0}
    assert BatchNorm(momentum={"0": 0.5}).numbers("1", "linear1")["momentum"] == 0.1


def test_the_ends_of_a_schedule_and_every_value_by_layer_must_be_in_range():
    with pytest.raises(ValueError, match=r"^Dropout: rate must be in \[0, 1\), got linear\(0.0, 1.0\)$"):
        Dropout(rate=linear(0, 1))
    with pytest.raises(ValueError, match=r"^Dropout: rate must be in \[0, 1\), got until\(0.5, value=-1.0\)$"):
        Dropout(rate=until(0.5, -1))
    with pytest.raises(ValueError, match=r"^Dropout: rate must be in \[0, 1\), got 2$"):
        Dropout(rate={"0": 0.5, "*": 2})
    with pytest.raises(ValueError, match=r"^Dropout: rate must be in \[0, 1\), got \{'1': 0.5\}$"):
        Dropout(rate={"0": {"1": 0.5}})  # type: ignore[dict-item]  # refused


def test_a_word_is_neither_scheduled_nor_given_by_layer():
    with pytest.raises(ValueError, match=r"^Dropout: at must be a word, got linear\(0.0, 1.0\)$"):
        Dropout(at=linear(0, 1))  # type: ignore[arg-type]  # refused
    with pytest.raises(ValueError, match=r"^Dropout: at must be a word, got \{'0': 'input'\}$"):
        Dropout(at={"0": "input"})  # type: ignore[arg-type]  # refused


@pytest.mark.parametrize("schedule", [until(0.5), after(0.5, 0.3)], ids=str)
def test_early_and_late_are_for_knobs_that_can_be_off(schedule):
    with pytest.raises(ValueError, match=r"^BatchNorm: momentum: .* this knob has none; write linear\(...\) or cosine"):
        BatchNorm(momentum=schedule)


def test_a_moving_strength_ends_at_a_finite_number():
    with pytest.raises(ValueError, match=r"^Oven: limit: flat_cosine: end must be finite, got inf$"):
        Oven(limit=flat_cosine(1.0))  # type: ignore[arg-type]  # refused


@pytest.mark.parametrize("leaf", CATALOG.values())
def test_every_knob_has_room_for_a_search_between_its_bounds(leaf):
    for each in knobs(leaf):
        assert not each.is_number or each.low < each.high
