"""Recipes: sums of regularizers, in the order of the places; what may be meant by one, and what cannot stand in one."""

import itertools
import re
from typing import Any

import pytest

from bridle import CATALOG, EMA, L2, SWA, BatchNorm, Dropout, EarlyStopping, GeneralizationLoss, Recipe, WeightDecay
from bridle.card import card_of
from bridle.knobs import knobs
from bridle.recipe import PLACES, regularizer_from_json
from bridle.schedules import linear

D, W, P, B = Dropout(rate=0.2), WeightDecay(strength=0.01), L2(strength=0.001), BatchNorm()


def test_plus_joins_regularizers_and_recipes_in_all_combinations():
    expected = Recipe((D, W))
    assert expected == D + W
    assert Recipe((D,)) + W == expected
    assert D + Recipe((W,)) == expected
    assert Recipe((D,)) + Recipe((W,)) == expected
    assert Recipe() + expected == expected == expected + Recipe()
    assert D + P + W == D + (P + W) == (D + P) + W


def test_plus_with_anything_else_is_a_type_error():
    with pytest.raises(TypeError):
        D + "WeightDecay"  # type: ignore[operator]  # refused
    with pytest.raises(TypeError):
        Recipe() + 1  # type: ignore[operator]  # refused


def test_regularizers_stand_in_the_order_of_the_places_however_they_were_written():
    orders = [a + b + c for a, b, c in itertools.permutations((D, P, W))]
    assert all(recipe == orders[0] for recipe in orders)
    assert [PLACES.index(each.place) for each in orders[0]] == sorted(PLACES.index(each.place) for each in orders[0])


def test_within_one_place_the_order_written_stays():
    assert list(D + B) == [D, B]
    assert list(B + D) == [B, D]
    assert D + B != B + D


def test_equal_recipes_hash_alike_and_are_one_key():
    assert D + W == W + D
    assert len({D + W, W + D, Dropout(0.2) + WeightDecay(0.01)}) == 1
    assert Dropout(0.3) + W != D + W


def test_a_regularizer_twice_in_one_spot_is_refused():
    with pytest.raises(ValueError, match="Dropout stands twice in one recipe at 'hidden'"):
        Dropout(rate=0.1) + Dropout(rate=0.2)
    with pytest.raises(ValueError, match="BatchNorm stands twice in one recipe at 'hidden'; give it once"):
        B + D + BatchNorm(momentum=0.5)


def test_a_regularizer_in_two_spots_is_two():
    assert len(Dropout(rate=0.1, at="input") + Dropout(rate=0.5)) == 2
    assert len(L2(strength=0.1) + L2(strength=0.2, on="output.*")) == 2


def test_the_empty_recipe_is_none_and_still_a_recipe():
    assert str(Recipe()) == "none"
    assert len(Recipe()) == 0
    assert bool(Recipe())


@pytest.mark.parametrize("place", PLACES)
def test_a_recipe_knows_what_acts_at_each_place(place):
    assert (D + P + W).at(place) == tuple(each for each in (D, P, W) if each.place == place)


def test_whatever_may_be_meant_by_a_recipe_is_taken():
    assert Recipe.of(None) == Recipe.of("none") == Recipe.of(Recipe()) == Recipe()
    assert Recipe.of(D) == Recipe.of("Dropout(rate=0.2)") == Recipe.of(Recipe((D,)))
    assert Recipe.of([]) == Recipe.of([None, "none"]) == Recipe()
    assert Recipe.of([D, "WeightDecay(strength=0.01)"]) == Recipe.of((D + W,)) == D + W
    assert Recipe.of(D.to_json()) == Recipe.of([D.to_json()]) == Recipe.of(D)
    assert Recipe.of((D + P + W).to_json()) == D + P + W


@pytest.mark.parametrize("recipe", [3, [D, 3], {D}, dict, 0.5, b"Dropout"], ids=str)
def test_what_cannot_be_meant_by_a_recipe_gets_a_sentence(recipe):
    with pytest.raises(ValueError, match=r"a recipe is text such as .* got (int|set|type|float|bytes)"):
        Recipe.of(recipe)


def test_a_class_in_place_of_a_regularizer_gets_what_to_write():
    with pytest.raises(ValueError, match=r"Dropout is the class; a recipe takes a regularizer: Dropout\(\)"):
        Recipe.of([Dropout])


def test_a_recipe_that_a_card_refuses_is_refused_in_the_words_of_the_card():
    with pytest.raises(ValueError, match=r"^EMA and SWA cannot stand in one recipe\. Only one of them can be"):
        EMA() + SWA()
    with pytest.raises(ValueError, match=r"^EMA and SWA cannot stand in one recipe\."):
        Recipe.parse("SWA + Dropout + EMA")


def test_what_a_card_doubts_is_noted_once_in_the_words_of_the_card():
    note = "EarlyStopping and GeneralizationLoss: Whichever is first ends the training; one of the two is enough."
    assert (EarlyStopping() + GeneralizationLoss()).notes() == (note,)
    assert (GeneralizationLoss() + D + EarlyStopping()).notes() == (note,)
    twice = L2(strength=0.1, on="linear1.*") + L2(strength=0.2, on="linear2.*") + W
    assert len(twice.notes()) == 1
    assert Recipe().notes() == (D + W).notes() == ()


def test_what_is_off_disturbs_nobody():
    assert (L2(strength=0) + W).notes() == (L2(strength={"*": 0}) + W).notes() == ()
    assert len(EMA() + SWA(start=1.0)) == 2
    with pytest.raises(ValueError, match="EMA and SWA"):
        EMA() + SWA(start=linear(0.5, 1.0))


@pytest.mark.parametrize("leaf", CATALOG.values())
def test_every_conflict_of_every_card_is_obeyed(leaf):
    for conflict in card_of(leaf).conflicts:
        for other in filter(CATALOG.__contains__, conflict.names):
            pair = (active(CATALOG[other]), active(leaf))
            if conflict.severity == "refused":
                with pytest.raises(ValueError, match=re.escape(conflict.sentence)):
                    Recipe(pair)
            else:
                assert Recipe(pair).notes() == (f"{leaf.__name__} and {other}: {conflict.sentence}",)


def active(leaf):
    """A regularizer of the class that is not off, which its default may be."""
    return leaf(**{k.name: k.low + 0.5 for k in knobs(leaf) if k.off is not None and k.default == k.off})


def test_recipes_cannot_be_changed():
    with pytest.raises(AttributeError):
        D.rate = 0.5  # type: ignore[misc]  # refused
    with pytest.raises(AttributeError):
        (D + W).regularizers = ()  # type: ignore[misc]  # refused


@pytest.mark.parametrize(
    ("make", "given", "said"),
    [
        (Recipe, "Dropout", "Recipe takes a tuple of regularizers, got \"'Dropout'\""),
        (Recipe, Dropout(), "Recipe takes a tuple of regularizers"),
        (Recipe, (3,), "Recipe takes a tuple of regularizers"),
        (Recipe, (Dropout,), "Recipe takes a tuple of regularizers"),
        (Recipe, None, "Recipe takes a tuple of regularizers"),
        (Recipe().at, "lyer", "there is no place 'lyer'; did you mean layer"),
        (Recipe.parse, None, "a recipe is read from text, got NoneType"),
        (Recipe.parse, b"Dropout", "a recipe is read from text, got bytes"),
        (Recipe.from_toml, 3, "a recipe is read from text, got int"),
        (Recipe.load, None, "a recipe is loaded from the path of a file, got 'None'"),
        (regularizer_from_json, {"name": "Dropout", 3: 4}, "the knobs of a regularizer in JSON have names, got '3'"),
    ],
)
def test_what_is_no_recipe_gets_a_sentence_in_every_way_to_make_one(make, given, said):
    with pytest.raises(ValueError, match=said):
        make(given)


def test_lists_nested_too_deep_are_refused_in_a_sentence():
    nested: list[Any] = [Dropout()]
    for _ in range(10_000):
        nested = [nested]
    with pytest.raises(ValueError, match="a recipe is a list of regularizers, got lists within lists, nested too deep"):
        Recipe.of(nested)
    assert Recipe.of([[Dropout()], [[]]]) == Recipe((Dropout(),))
