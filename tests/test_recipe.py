"""Recipes: sums of regularizers, in the order of the places, and their text, which is read and never run."""

import itertools
import json
from pathlib import Path

import pytest

from bridle import L2, BatchNorm, Dropout, Recipe, WeightDecay
from bridle.recipe import LONGEST_SHOWN, PLACES, Regularizer, from_json

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
        D + "WeightDecay"
    with pytest.raises(TypeError):
        Recipe() + 1


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
    with pytest.raises(ValueError, match="BatchNorm stands twice in one recipe; give it once"):
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


RECIPES = [
    Recipe(),
    D + W,
    Recipe((P,)),
    B + D + P + W,
    Dropout(rate=0.1, at="input") + Dropout(rate=0.5) + L2(strength=1e-300, on='it\'s "quoted"'),
    Recipe((L2(strength=1 / 3, on="all"),)),
    Recipe((L2(strength=1e22),)),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_text_repr_and_json_read_back(recipe):
    assert Recipe.parse(str(recipe)) == recipe
    assert eval(repr(recipe), {"Recipe": Recipe}) == recipe
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


@pytest.mark.parametrize(
    ("text", "recipe"),
    [
        ("none", Recipe()),
        ("  None ", Recipe()),
        ("Dropout", Recipe((Dropout(),))),
        ("Dropout()", Recipe((Dropout(),))),
        ("Dropout(0.2)", Recipe((D,))),
        ("Dropout(0.2, 'input')", Recipe((Dropout(rate=0.2, at="input"),))),
        ("WeightDecay(strength=1e-2)+Dropout( rate = .2 )", D + W),
        ("(Dropout(rate=0.2) + (WeightDecay(strength=0.01)))", D + W),
        ("L2(strength=1)", Recipe((L2(strength=1.0),))),
        ("L2(strength=0)", Recipe((L2(strength=0.0),))),
    ],
)
def test_people_write_recipes_in_several_ways(text, recipe):
    assert Recipe.parse(text) == recipe


def test_whatever_may_be_meant_by_a_recipe_is_taken():
    assert Recipe.of(None) == Recipe.of("none") == Recipe.of(Recipe()) == Recipe()
    assert Recipe.of(D) == Recipe.of("Dropout(rate=0.2)") == Recipe.of(Recipe((D,)))
    with pytest.raises(ValueError, match=r"a recipe is text such as .* got int"):
        Recipe.of(3)


@pytest.mark.parametrize(
    ("text", "near"),
    [("dropout", "Dropout"), ("Dropuot(0.2)", "Dropout"), ("weight_decay", "WeightDecay"), ("l2()", "L2")],
)
def test_an_unknown_name_gets_the_nearest(text, near):
    with pytest.raises(ValueError, match=f"unknown regularizer .*; did you mean .*{near}.*\\?"):
        Recipe.parse(text)


def test_a_name_like_no_other_gets_the_list():
    with pytest.raises(ValueError, match=r"known are .*BatchNorm, .*Dropout, .*L2, .*WeightDecay"):
        Recipe.parse("zzzzzzzz")


def test_an_unknown_knob_gets_the_nearest():
    with pytest.raises(ValueError, match="Dropout has no knob 'p'; known are at, rate"):
        Recipe.parse("Dropout(p=0.2)")
    with pytest.raises(ValueError, match="L2 has no knob 'strenght'; did you mean strength\\?"):
        Recipe.parse("L2(strenght=0.2)")


def test_a_knob_given_twice_or_once_too_often_is_refused():
    with pytest.raises(ValueError, match="rate is given twice"):
        Recipe.parse("Dropout(0.2, rate=0.3)")
    with pytest.raises(ValueError, match="Dropout has the knobs rate, at"):
        Recipe.parse("Dropout(0.2, 'input', 3)")


def test_a_value_out_of_range_says_the_range():
    with pytest.raises(ValueError, match=r"Dropout: rate must be in \[0, 1\), got 1.5"):
        Recipe.parse("Dropout(rate=1.5)")


MALFORMED = [
    "",
    "   ",
    "+",
    "Dropout +",
    "+ Dropout",
    "-Dropout",
    "Dropout - L2",
    "Dropout * 2",
    "Dropout, L2",
    "[Dropout]",
    "0.2",
    "'Dropout'",
    "drop out",
    "Dropout; L2",
    "Dropout = 1",
    "Dropout(rate=0.2",
    "Dropout(rate=)",
    "Dropout(rate=0.2)(0.3)",
    "Dropout(*[0.2])",
    "Dropout(**{'rate': 0.2})",
    "Dropout(rate=0.2, rate=0.3)",
    "Dropout(rate=nan)",
    "Dropout(rate=True)",
    "Dropout(rate=None)",
    "Dropout(rate='0.2')",
    "Dropout(rate=1j)",
    "Dropout(rate=...)",
    "Dropout(rate={[]})",
    "L2(strength=1e999)",
    "L2(on='')",
    "Dropout(at='x' * 10**9)",
    "none + none",
    "Dropout\x00",
    "\ud800",
    "Dröpout",
    "Dropout → L2",
    "🎲",
    "\u202eDropout",
]
HOSTILE = [
    "__import__('os').system('{command}')",
    "Dropout(rate=__import__('os').system('{command}'))",
    "Dropout(__import__('os').system('{command}'))",
    "(lambda: __import__('os').system('{command}'))()",
    "Dropout(rate=(lambda: __import__('os').system('{command}'))())",
    "Dropout(rate=[__import__('os').system('{command}') for _ in 'x'])",
    "Dropout + __import__('os').system('{command}')",
    "Dropout.__init__.__globals__",
    "Dropout.torch",
    "Dropout().rate",
    "f\"{{__import__('os').system('{command}')}}\"",
    "Dropout(at=f\"{{__import__('os').system('{command}')}}\")",
    "eval(\"__import__('os').system('{command}')\")",
    "exec('import os')",
    "Dropout if __import__('os').system('{command}') else L2",
    "(Dropout := 1)",
    "Dropout[__import__('os').system('{command}')]",
    "yield Dropout",
    "await Dropout",
    "import os",
]
HUGE = [
    "(" * 10_000,
    "(" * 10_000 + "Dropout" + ")" * 10_000,
    "[" * 90 + "]" * 90,
    "Dropout(rate=" + "[" * 90 + "]" * 90 + ")",
    *("Dropout(rate=" + "-" * count + "0.2)" for count in (100, 900, 2_000, 10_000)),
    *("Dropout(rate=" + "+".join("1" * count) + ")" for count in (900, 3_000, 100_000)),
    *("+".join(["Dropout"] * count) for count in (10, 900, 3_000, 100_000)),
    "Dropout(rate=1" + "0" * 400 + ")",
    "Dropout(rate=1" + "0" * 10_000 + ")",
    "Dropout" * 10_000,
    "Dropout(" + ", ".join(["0.2"] * 10_000) + ")",
    "Dropout(" + "x" * 10_000 + "=1)",
    "Dropout." * 10_000 + "x",
    "Dropout" + "()" * 10_000,
]


@pytest.mark.parametrize("text", MALFORMED)
def test_what_is_not_a_recipe_gets_a_sentence(text):
    with pytest.raises(ValueError) as caught:
        Recipe.parse(text)
    assert len(str(caught.value).split()) > 3


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_executes_nothing(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"recipe|regularizer"):
        Recipe.parse(text.format(command="touch executed"))
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("text", HUGE, ids=lambda text: f"{text[:20]}-{len(text)}")
def test_huge_text_gets_a_short_sentence(text):
    with pytest.raises(ValueError) as caught:
        Recipe.parse(text)
    assert len(str(caught.value)) < 5 * LONGEST_SHOWN


@pytest.mark.parametrize(
    "data", [{}, {"name": "nothing"}, {"name": "L2", "p": 1}, {"name": "L2", "strength": None}, {"strength": 0.1}]
)
def test_json_that_is_no_regularizer_gets_a_sentence(data):
    with pytest.raises(ValueError, match=r"unknown regularizer|has no knob|must be in"):
        from_json(data)


def test_a_users_own_regularizer_is_found_by_its_name(monkeypatch):
    monkeypatch.setattr(Regularizer, "leaves", dict(Regularizer.leaves))

    class Brake(WeightDecay):
        pass

    assert Recipe.parse("Brake(strength=0.5)") == Recipe((Brake(strength=0.5),))


def test_recipes_cannot_be_changed():
    with pytest.raises(AttributeError):
        D.rate = 0.5
    with pytest.raises(AttributeError):
        (D + W).regularizers = ()
