"""knob-at-off and doubtful-pair: recipes before they are trained."""

from __future__ import annotations

import pytest

import bridle
from bridle_audit.rules import RULES


def found(rule: str, recipe: str):
    return list(RULES[rule].find("recipe", bridle.Recipe.parse(recipe)))


@pytest.mark.parametrize(
    "recipe",
    ["Dropout(rate=0)", "WeightDecay(strength=0)", "Dropout(rate={'0': 0, '*': 0})", "Dropout(rate=linear(0, 0))"],
)
def test_what_is_off_everywhere_and_always_is_found(recipe):
    assert len(found("knob-at-off", recipe)) == 1


@pytest.mark.parametrize(
    "recipe",
    ["none", "Dropout(rate=0.1)", "Dropout(rate={'0': 0, '*': 0.1})", "Dropout(rate=linear(0, 0.3))", "BatchNorm()"],
)
def test_what_is_on_somewhere_or_sometimes_is_silent(recipe):
    assert found("knob-at-off", recipe) == []


def test_the_cure_of_what_is_off_is_its_default():
    (each,) = found("knob-at-off", "WeightDecay(strength=0)")
    assert eval(each.cure, {"bridle": bridle}) == bridle.WeightDecay()


def test_a_doubtful_pair_is_found_with_the_sentence_of_its_card():
    (each,) = found("doubtful-pair", "Dropout(rate=0.2) + BatchNorm()")
    assert each.where in ("Dropout and BatchNorm", "BatchNorm and Dropout")
    assert f"{each.message}." in bridle.Recipe.parse("Dropout(rate=0.2) + BatchNorm()").notes()[0]
    assert len(eval(each.cure.removeprefix("recipe = "), {"bridle": bridle})) == 1


@pytest.mark.parametrize(
    "recipe", ["none", "Dropout(rate=0.2) + WeightDecay(strength=0.1)", "Dropout(rate=0) + BatchNorm()"]
)
def test_pairs_that_no_card_doubts_are_silent(recipe):
    assert found("doubtful-pair", recipe) == []
