"""The text of a recipe, as people write it: it is read and never run, and what is none gets a sentence."""

from pathlib import Path

import pytest

from bridle import L2, Dropout, Recipe, WeightDecay
from bridle.recipe import Regularizer, find_regularizer
from bridle.schedules import linear, until
from bridle_audit.wording import LONGEST_SHOWN

D, W = Dropout(rate=0.2), WeightDecay(strength=0.01)


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


@pytest.mark.parametrize(
    "read", [Recipe.parse, lambda text: Recipe.of(["none", text]), lambda _: find_regularizer("None")]
)
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
    known = ", ".join(Regularizer.registry)  # of which a name like no other gets the list
    assert len(str(caught.value)) < 5 * LONGEST_SHOWN + len(known)


@pytest.mark.usefixtures("own_leaves")
def test_a_users_own_regularizer_is_found_by_its_name():
    class Brake(WeightDecay):
        pass

    assert Recipe.parse("Brake(strength=0.5)") == Recipe((Brake(strength=0.5),))
