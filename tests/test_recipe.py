"""Recipes: sums of regularizers, in the order of the places, and their text, which is read and never run."""

import itertools
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridle import CATALOG, EMA, L2, SWA, BatchNorm, Dropout, EarlyStopping, GeneralizationLoss, Recipe, WeightDecay
from bridle.card import card_of
from bridle.knobs import knob, knobs
from bridle.places import Weight
from bridle.recipe import PLACES, Regularizer, find, from_json
from bridle.schedules import after, cosine, flat_cosine, linear, until
from bridle.wording import LONGEST_SHOWN

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


RECIPES = [
    Recipe(),
    D + W,
    Recipe((P,)),
    B + D + P + W,
    Dropout(rate=0.1, at="input") + Dropout(rate=0.5) + L2(strength=1e-300, on='it\'s "quoted"'),
    Recipe((L2(strength=1 / 3, on="all"),)),
    Recipe((L2(strength=1e22),)),
    Recipe((Dropout(rate=linear(0.0, 0.3, over=0.2)),)),
    Dropout(rate={"0": 0.1, "it's": after(0.5), "*": until(0.5, 0.3)}) + L2(strength=cosine(1e-3, 1e-5)),
    Recipe((BatchNorm(momentum={"conv1.weight": flat_cosine(0.1, flat=0.25)}),)),
    Recipe((L2(strength={"a\\b": 1e-5, 'quoted "é" \x7f\n': 0.0, "*": 1.0}, on="tab\t"),)),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_text_repr_and_json_read_back(recipe):
    assert Recipe.parse(str(recipe)) == recipe
    assert eval(repr(recipe), {"Recipe": Recipe}) == recipe
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json(), allow_nan=False))) == recipe
    assert Recipe.from_toml(recipe.to_toml()) == recipe


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_the_lines_of_python_make_the_recipe(recipe):
    names = {}
    exec(recipe.to_python(), names)
    assert names["recipe"] == recipe


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
@pytest.mark.parametrize("ending", ["txt", "json", "TOML"])
def test_files_read_back(recipe, ending, tmp_path):
    recipe.save(tmp_path / f"recipe.{ending}")
    assert Recipe.load(str(tmp_path / f"recipe.{ending}")) == recipe


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
        ("Dropout(linear(0, 0.3, 0.2))", Recipe((Dropout(rate=linear(0.0, 0.3, over=0.2)),))),
        ("Dropout(rate=linear(end=.3, start=0))", Recipe((Dropout(rate=linear(0.0, 0.3)),))),
        ("Dropout(rate=until(0.5))", Recipe((Dropout(rate=until(0.5)),))),
        ('Dropout(rate={"0": 0.1, "*": until(.5)})', Recipe((Dropout(rate={"0": 0.1, "*": until(0.5)}),))),
    ],
)
def test_people_write_recipes_in_several_ways(text, recipe):
    assert Recipe.parse(text) == recipe


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


@pytest.mark.parametrize(
    ("text", "near"),
    [("dropout", "Dropout"), ("Dropuot(0.2)", "Dropout"), ("weight_decay", "WeightDecay"), ("l2()", "L2")],
)
def test_an_unknown_name_gets_the_nearest(text, near):
    with pytest.raises(ValueError, match=f"unknown regularizer .*; did you mean .*{near}.*\\?"):
        Recipe.parse(text)


def test_the_beginning_of_a_name_is_that_name_before_any_that_is_spelled_alike():
    with pytest.raises(ValueError, match=r"unknown regularizer 'Drop'; did you mean Dropout or \w+ or \w+\?") as told:
        Recipe.parse("Drop")
    assert "RDrop" not in str(told.value)
    with pytest.raises(ValueError, match=r"did you mean WeightDecay\?"):
        Recipe.parse("weightd")


@pytest.mark.parametrize("read", [Recipe.parse, lambda text: Recipe.of(["none", text]), lambda _: find("None")])
def test_none_stands_alone(read):
    with pytest.raises(ValueError, match="'none' is the recipe without regularizers and stands alone"):
        read("none + Dropout(rate=0.2)")


def test_a_name_like_no_other_gets_the_list():
    with pytest.raises(ValueError, match=r"known are .*BatchNorm, .*Dropout, .*L2, .*WeightDecay"):
        Recipe.parse("zzzzzzzz")


def test_an_unknown_knob_gets_the_nearest():
    with pytest.raises(ValueError, match="Dropout has no knob 'x'; known are at, rate"):
        Recipe.parse("Dropout(x=0.2)")
    with pytest.raises(ValueError, match="L2 has no knob 'strenght'; did you mean strength\\?"):
        Recipe.parse("L2(strenght=0.2)")


def test_a_knob_given_twice_or_once_too_often_is_refused():
    with pytest.raises(ValueError, match="rate is given twice"):
        Recipe.parse("Dropout(0.2, rate=0.3)")
    with pytest.raises(ValueError, match="Dropout takes rate, at"):
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
    "Dropout(rate={})",
    "Dropout(rate={'0'})",
    "Dropout(rate={0: 0.1})",
    "Dropout(rate={**{'0': 0.1}})",
    "Dropout(rate={'0': {'1': 0.1}})",
    "Dropout(rate={'0': '0.1'})",
    "Dropout(rate={'*': 0.1, '0': 0.2})",
    "Dropout(at={'0': 'input'})",
    "Dropout(rate=linear)",
    "Dropout(rate=linear(0))",
    "Dropout(rate=linear(0, 1, 2, 3))",
    "Dropout(rate=linear(0, 0.1, start=0))",
    "Dropout(rate=linear(*[0, 0.1]))",
    "Dropout(rate=linear(**{'start': 0}))",
    "Dropout(rate=linear(0, linear(0, 0.1)))",
    "Dropout(rate=linear(0, 'x'))",
    "Dropout(rate=linear(0, nan))",
    "Dropout(rate=until(0.5, value=None))",
    "Dropout(rate=until(0.5, off=0.1))",
    "Dropout(rate=0.1 + 0.1)",
    "Dropout(rate=--0.1)",
    "Dropout(rate=-'0.1')",
    "Dropout(rate=-True)",
    "Dropout(rate=inf)",
    "Dropout(rate=-inf)",
    "linear(0, 1)",
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
    "Dropout(rate=linear(__import__('os').system('{command}'), 1))",
    "Dropout(rate={{'0': __import__('os').system('{command}')}})",
    "Dropout(rate={{__import__('os').system('{command}'): 0.1}})",
    "Dropout(rate=bridle.schedules.linear(0, 1))",
    "Dropout(rate=eval('1'))",
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
    "Dropout(rate=" + "{'0': " * 90 + "0.1" + "}" * 90 + ")",
    "Dropout(rate={" + "'0': 0.1, " * 10_000 + "})",
    "Dropout(rate={'" + "0" * 10_000 + "': 0.1, '" + "0" * 10_000 + "': 0.2})",
    "Dropout(rate=" + "linear(" * 90 + "0" + ")" * 90 + ")",
    "Dropout(rate=" + "x" * 10_000 + "(1))",
    "Dropout(rate=linear(" + "x" * 10_000 + "=1))",
    "Dropout(" + ", ".join(f"x{number}=1" for number in range(10_000)) + ")",
]


@pytest.mark.parametrize("text", MALFORMED)
def test_what_is_not_a_recipe_gets_a_sentence(text):
    with pytest.raises(ValueError) as caught:
        Recipe.parse(text)
    assert len(str(caught.value).split()) > 3


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_executes_nothing(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"recipe|regularizer|schedule"):
        Recipe.parse(text.format(command="touch executed"))
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("text", HUGE, ids=lambda text: f"{text[:20]}-{len(text)}")
def test_huge_text_gets_a_short_sentence(text):
    with pytest.raises(ValueError) as caught:
        Recipe.parse(text)
    known = ", ".join(Regularizer.leaves)  # of which a name like no other gets the list
    assert len(str(caught.value)) < 5 * LONGEST_SHOWN + len(known)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"name": "nothing"},
        {"name": ["L2"]},
        {"name": "L2", "p": 1},
        {"name": "L2", "strength": None},
        {"strength": 0.1},
        {"name": "L2", "strength": "nan"},
        {"name": "L2", "strength": [0.1]},
        {"name": "L2", "strength": {"schedule": "linaer", "start": 0, "end": 1}},
        {"name": "L2", "strength": {"schedule": ["linear"], "start": 0, "end": 1}},
        {"name": "L2", "strength": {"schedule": "linear", "start": 0}},
        {"name": "L2", "strength": {"schedule": "linear", "start": 0, "end": 1, "ends": 1}},
        {"name": "L2", "strength": {"schedule": "linear", "start": None, "end": 1}},
        {"name": "L2", "strength": {"schedule": "until", "share": 0.5, "off": 1.0}},
        {"name": "L2", "strength": {"per layer": 0.1, "start": 0}},
        {"name": "L2", "strength": {"per layer": {}}},
        {"name": "L2", "strength": {"per layer": {"*": 0.1}, "over": 0.5}},
        {"name": "L2", "strength": {"per layer": [0.1]}},
        {"name": "L2", "strength": {"per layer": {"0": {"per layer": {"1": 0.1}}}}},
        {"name": "L2", "on": {"per layer": {"0": "all"}}},
        {"name": "L2", "on": 3},
        "L2",
        3,
        None,
    ],
    ids=str,
)
def test_json_that_is_no_regularizer_gets_a_sentence(data):
    said = r"unknown (regularizer|schedule)|has no (knob|argument)|must (be|have)|values by layer are|missing|an object"
    with pytest.raises(ValueError, match=said):
        from_json(data)
    with pytest.raises(ValueError, match=said):
        Recipe.from_json([data])


@pytest.mark.parametrize("data", [{}, D.to_json(), "L2", 3, None], ids=str)
def test_json_that_is_no_list_is_no_recipe(data):
    with pytest.raises(ValueError, match="a recipe in JSON is a list of regularizers, got"):
        Recipe.from_json(data)


def test_json_is_strict_and_says_what_changes_and_where():
    unit = Dropout(rate={"0": linear(0, 0.3, over=0.2), "*": 0.1})
    schedule = {"schedule": "linear", "start": 0.0, "end": 0.3, "over": 0.2}
    assert unit.to_json() == {"name": "Dropout", "rate": {"per layer": {"0": schedule, "*": 0.1}}, "at": "hidden"}
    assert from_json({"name": "Dropout", "rate": {"0": schedule, "*": 0.1}}) == unit  # as people write it


def test_a_limit_may_be_infinite_in_every_form(monkeypatch):
    monkeypatch.setattr(Regularizer, "leaves", dict(Regularizer.leaves))

    @dataclass(frozen=True, repr=False)
    class Fence(Weight):
        strength: float = knob(0.01, "how much", off=0.0)
        limit: float = knob(1.0, "how far", off=math.inf)
        vanilla = staticmethod(lambda w, *, strength, limit: w)
        torch = staticmethod(lambda w, *, strength, limit, out=None: w)

    for limit in (math.inf, after(0.5, 3.0), until(0.5, math.inf), {"0": math.inf, "*": until(0.5)}):
        recipe = Recipe((Fence(limit=limit),))
        assert Recipe.parse(str(recipe)) == recipe
        assert Recipe.from_json(json.loads(json.dumps(recipe.to_json(), allow_nan=False))) == recipe
        assert Recipe.from_toml(recipe.to_toml()) == recipe
    assert str(Recipe((Fence(limit=math.inf),))) == "Fence(strength=0.01, limit=inf)"
    assert Fence(limit=math.inf).to_json()["limit"] == "inf"
    assert "limit = inf\n" in Recipe((Fence(limit=math.inf),)).to_toml()
    assert "from math import inf\n" in Recipe((Fence(limit=math.inf),)).to_python()


def test_toml_is_a_table_for_each_regularizer():
    text = """
        [[regularizer]]
        name = "Dropout"
        rate = {"0" = 0.1, "*" = {schedule = "linear", start = 0, end = 0.3}}

        [[regularizer]]
        name = "WeightDecay"
    """
    assert Recipe.from_toml(text) == Dropout(rate={"0": 0.1, "*": linear(0, 0.3)}) + WeightDecay()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "none",
        "[[regularizer]",
        "[regularizer]\nname = 'L2'",
        "[[regularizers]]\nname = 'L2'",
        "regularizer = 'L2'",
        "regularizer = [1]",
        "[[regularizer]]\nname = 'L3'",
        "[[regularizer]]\nname = 'L2'\nstrength = -1",
        "[[regularizer]]\nname = 'L2'\nstrength = nan",
        "[[regularizer]]\nname = 'L2'\nstrength = 1979-05-27",
        "a = 1\n[[regularizer]]\nname = 'L2'",
    ],
)
def test_toml_that_is_no_recipe_gets_a_sentence(text):
    with pytest.raises(ValueError) as caught:
        Recipe.from_toml(text)
    assert len(str(caught.value).split()) > 3


def test_a_recipe_in_python_reads_as_a_person_would_write_it():
    recipe = Dropout(rate={"0": 0.1, "*": linear(0.0, 0.3, over=0.2)}) + L2(strength=0.001) + W
    assert (D + W).to_python() == (
        "from bridle import Dropout, WeightDecay\n\nrecipe = Dropout(rate=0.2) + WeightDecay(strength=0.01)\n"
    )
    assert recipe.to_python() == (
        "from bridle import Dropout, L2, WeightDecay\n"
        "from bridle.schedules import linear\n"
        "\n"
        "recipe = (\n"
        "    Dropout(rate={'0': 0.1, '*': linear(0.0, 0.3, over=0.2)})\n"
        "    + L2(strength=0.001)\n"
        "    + WeightDecay(strength=0.01)\n"
        ")\n"
    )


def test_a_users_own_regularizer_is_imported_from_where_it_is(monkeypatch):
    monkeypatch.setattr(Regularizer, "leaves", dict(Regularizer.leaves))

    class Brake(WeightDecay):
        pass

    assert f"from {__name__} import Brake\n" in (D + Brake()).to_python()


def test_a_file_with_another_ending_is_neither_written_nor_read(tmp_path):
    for use in (D + W).save, Recipe.load:
        with pytest.raises(ValueError, match=r"a recipe's file ends in \.txt, \.json, \.toml, got .*recipe\.yaml"):
            use(tmp_path / "recipe.yaml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("ending", "text"), [("json", "{"), ("json", "3"), ("toml", "="), ("txt", "Dropuot")])
def test_a_file_that_holds_no_recipe_is_named(ending, text, tmp_path):
    path = tmp_path / f"recipe.{ending}"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(str(path))):
        Recipe.load(path)


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


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: Recipe("Dropout"), "Recipe takes a tuple of regularizers, got \"'Dropout'\""),
        (lambda: Recipe(Dropout()), "Recipe takes a tuple of regularizers"),
        (lambda: Recipe((3,)), "Recipe takes a tuple of regularizers"),
        (lambda: Recipe((Dropout,)), "Recipe takes a tuple of regularizers"),
        (lambda: Recipe(None), "Recipe takes a tuple of regularizers"),
        (lambda: Recipe().at("lyer"), "there is no place 'lyer'; did you mean layer"),
        (lambda: Recipe.parse(None), "a recipe is read from text, got NoneType"),
        (lambda: Recipe.parse(b"Dropout"), "a recipe is read from text, got bytes"),
        (lambda: Recipe.from_toml(3), "a recipe is read from text, got int"),
        (lambda: Recipe.load(None), "a recipe is loaded from the path of a file, got 'None'"),
        (lambda: from_json({"name": "Dropout", 3: 4}), "the knobs of a regularizer in JSON have names, got '3'"),
    ],
)
def test_what_is_no_recipe_gets_a_sentence_in_every_way_to_make_one(made, said):
    with pytest.raises(ValueError, match=said):
        made()


def test_lists_nested_too_deep_are_refused_in_a_sentence():
    nested = [Dropout()]
    for _ in range(10_000):
        nested = [nested]
    with pytest.raises(ValueError, match="a recipe is a list of regularizers, got lists within lists, nested too deep"):
        Recipe.of(nested)
    assert Recipe.of([[Dropout()], [[]]]) == Recipe((Dropout(),))
