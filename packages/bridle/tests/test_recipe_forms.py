"""The forms of a recipe: repr, JSON, TOML, lines of Python and files all read back."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

import pytest

from bridle import L2, BatchNorm, Dropout, Recipe, WeightDecay
from bridle.knobs import knob
from bridle.places import Weight
from bridle.recipe import regularizer_from_json
from bridle.schedules import after, cosine, flat_cosine, linear, until

D, W, P, B = Dropout(rate=0.2), WeightDecay(strength=0.01), L2(strength=0.001), BatchNorm()
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
    names: dict[str, Any] = {}
    exec(recipe.to_python(), names)
    assert names["recipe"] == recipe


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
@pytest.mark.parametrize("ending", ["txt", "json", "TOML"])
def test_files_read_back(recipe, ending, tmp_path):
    recipe.save(tmp_path / f"recipe.{ending}")
    assert Recipe.load(str(tmp_path / f"recipe.{ending}")) == recipe


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
        regularizer_from_json(data)
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
    assert regularizer_from_json({"name": "Dropout", "rate": {"0": schedule, "*": 0.1}}) == unit  # as people write it


@pytest.mark.usefixtures("own_leaves")
def test_a_limit_may_be_infinite_in_every_form():
    @dataclass(frozen=True, repr=False)
    class Fence(Weight):
        strength: float = knob(0.01, "how much", off=0.0)
        limit: float = knob(1.0, "how far", off=math.inf)
        vanilla = staticmethod(lambda w, *, strength, limit: w)
        torch = staticmethod(lambda w, *, strength, limit, out=None: w)

    limit: Any  # the knob's own annotation is that of its number
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


@pytest.mark.usefixtures("own_leaves")
def test_a_users_own_regularizer_is_imported_from_where_it_is():
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
