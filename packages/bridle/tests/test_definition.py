"""A class that its place cannot take is refused when it is defined; nothing of it is passed over in silence."""

from abc import ABC
from dataclasses import dataclass

import pytest

from bridle import Dropout
from bridle.knobs import knob
from bridle.places import Weight
from bridle.recipe import Regularizer

REFUSED = [
    # regularizer, what is right, the fault planted instead, and what is said when the class is defined
    (
        "Damp",
        'Draw("normal")',
        'Draw("nromal")',
        "kind must be one of uniform, normal, got 'nromal'; did you mean normal",
    ),
    (
        "Blend",
        'Draw("uniform", "row")',
        'Draw("uniform", "rows")',
        "each must be one of .* got 'rows'; did you mean row",
    ),
    ("Damp", '(Draw("normal"),)', 'Draw("normal")', "Damp: noise is a tuple of draws"),
    ("Damp", '("weight", "norm")', '("wieght", "norm")', "Damp: extra_inputs has 'wieght', .*; did you mean weight"),
    ("Damp", '("weight", "norm")', '"weight"', "Damp: extra_inputs is a tuple of words"),
    ("Tether", '("initial",)', '("inital",)', "Tether: extra_inputs has 'inital', .*; did you mean initial"),
    ("Agree", '("slope",)', '("slopes",)', "Agree: extra_inputs has 'slopes', .*; did you mean slope"),
    ("Shrink", '("lr",)', '("rl",)', "Shrink: step_inputs has 'rl', which this kind of regularizer is not given"),
    ("Blend", '("layout",)', '("layouts",)', "Blend: step_inputs has 'layouts', .*; did you mean layout"),
    (
        "Blend",
        "step_inputs: ClassVar",
        "step_input: ClassVar",
        "Blend: nothing reads step_input; did you mean step_inputs",
    ),
    ("Damp", "noise: ClassVar", "noize: ClassVar", "Damp: nothing reads noize; did you mean noise"),
    (
        "Damp",
        "extra_inputs: ClassVar",
        "extra_input: ClassVar",
        "nothing reads extra_input; did you mean extra_inputs",
    ),
    ("Damp", "vanilla = staticmethod", "vanila = staticmethod", "Damp: nothing reads vanila; did you mean vanilla"),
    ("Climb", "def measure(", "def mesure(", "Climb: nothing reads mesure; did you mean measure"),
    (
        "Damp",
        "extra_inputs: ClassVar",
        "maps: ClassVar[bool] = True\n    extra_inputs: ClassVar",
        "Damp: maps means nothing for this kind",
    ),
    (
        "Damp",
        "extra_inputs: ClassVar",
        "on_parameters: ClassVar[bool] = False\n    extra_inputs: ClassVar",
        "Damp: its base answers on_parameters",
    ),
    (
        "Tether",
        "matrix: ClassVar[bool] = True",
        "matrix: ClassVar[bool] = 1",
        "Tether: matrix must be True or False, got '1'",
    ),
    (
        "Damp",
        "extra_inputs: ClassVar",
        "place: ClassVar[str] = 'loss'\n    extra_inputs: ClassVar",
        "its place is 'gradient'; leave",
    ),
    (
        "Damp",
        "extra_inputs: ClassVar",
        "state = RunningStatistics(0.0, 1.0)\n    extra_inputs: ClassVar",
        "this kind of regularizer has no state",
    ),
    (
        "Cost",
        "    torch =",
        "    noise: ClassVar[tuple] = (Draw(),)\n    torch =",
        "this kind of regularizer has no noise",
    ),
    ("Gain", "Remembered(mean=0.0)", '("mean",)', "Gain: state is a named tuple of starts such as RunningStatistics"),
    ("Gain", "Remembered(mean=0.0)", 'Remembered(mean="zero")', "Gain: state: mean begins at a number or a function"),
    ("Gain", "    mean: float\n", "    mean: float\n    weight: float = 0.0\n", "Gain: weight is declared twice"),
    ("Gain", '{"weight": 1.0}', '("weight",)', 'Gain: parameters is a dictionary of starts such as {"weight": 1.0}'),
    (
        "Damp",
        "(g, noise, weight, norm, *, strength):",
        "(g, weight, norm, noise, *, strength):",
        "weight stands at position 2",
    ),
    (
        "Damp",
        "(g, noise, weight, norm, *, strength):",
        "(g, noise, weight, *, strength):",
        r"takes \(g, noise, weight\) by",
    ),
    ("Damp", "norm: Tensor, *, strength", "norm: Tensor, strength", r"Damp: torch: strength is given by its name"),
    ("Damp", "*, strength, out=None)", "*, strenght, out=None)", "torch takes strenght=.*; did you mean strength"),
    ("Damp", "*, strength, out=None)", "*, strength)", "torch does not take out="),
    ("Shrink", "(w, *, strength, lr):", "(w, *, strength):", "vanilla does not take lr="),
    (
        "Stretch",
        "def evaluate(w, size, state,",
        "def evaluate(w, state, size,",
        "evaluate: state stands at position 2, where size is",
    ),
    (
        "Gain",
        ", Remembered((state.mean + momentum * (here - state.mean)).view_as(state.mean))",
        ",",
        "torch returns 1 results, but 2 .* the new state among",
    ),
    (
        "Enough",
        "one, Lowest(best)",
        "one",
        "vanilla returns 2 results, but 3 are expected, the new state among",
    ),
    ("Cost", "    torch = staticmethod(cost)\n", "", r"Cost: torch is missing; write `torch = staticmethod\(...\)`"),
    ("Cost", "    add_gradient = staticmethod(add_cost_gradient)\n", "", "Cost: add_gradient is missing"),
    ("Cost", "vanilla = staticmethod(cost_vanilla)", "vanilla = cost_vanilla", "Cost: vanilla must be a staticmethod"),
    ("Choir", "def takes(", "def wants(", "Choir: takes is missing"),
    ("Agree", "def probe(", "def sound(", "Agree: probe is missing"),
    ("Cost", "strength: float = knob(", "strength = knob(", "Cost: the knob strength has no type"),
    (
        "Cost",
        "strength: float",
        "strength: float = knob(0.1, 'x')\n    strength: float",
        "the knob strength is declared twice",
    ),
    (
        "Cost",
        'strength: float = knob(0.01, "cost", off=0.0, open_high=True, log=True)',
        "strength: float = 0.01",
        "is a field and no",
    ),
    (
        "Cost",
        "    torch =",
        "    step_inputs: tuple = ()\n    torch =",
        "Cost: step_inputs is a field and no knob; .* or write ClassVar",
    ),
    ("Choir", "every", "name", "Choir: no knob can be called name"),
    ("Cost", '"cost", ', '"", ', "Cost: the knob strength has no meaning"),
    (
        "Cost",
        "knob(0.01",
        "knob(-1.0",
        r"Cost: the knob strength: its default is not among its values \[0, inf\), got -1.0",
    ),
    ("Shrink", "off=0.0", "off=-1.0", r"what switches it off is not among its values \[0, inf\), got -1.0"),
    ("Cost", "log=True", 'log=True, known_as="l2"', "the knob strength: known_as is a tuple of words, got 'l2'"),
]


@pytest.mark.parametrize(("name", "right", "fault", "said"), REFUSED)
def test_a_class_that_its_place_cannot_take_is_refused_when_it_is_defined(load, name, right, fault, said):
    with pytest.raises(ValueError, match=said):
        load(name, right, fault)
    assert name not in Regularizer.registry


@pytest.mark.usefixtures("own_leaves")
def test_knobs_that_are_only_declared_are_told_of_when_the_class_is_used():
    class Forgot(Weight):
        strength: float = knob(0.1, "how much", off=0.0)
        vanilla = staticmethod(lambda w, *, strength: w * (1 - strength))
        torch = staticmethod(lambda w, *, strength, out=None: w * (1 - strength))

    for settings in ({}, {"strength": 0.2}):
        with pytest.raises(ValueError, match=r"Forgot has no strength yet; write @dataclass\("):
            Forgot(**settings)  # type: ignore[arg-type]  # without the decorator it takes none


def test_a_name_of_the_catalog_cannot_be_taken_by_another_class():
    with pytest.raises(ValueError, match=r"two regularizers called Dropout, of bridle.* and mine; give"):
        type("Dropout", (Dropout,), {"__module__": "mine"})
    assert Regularizer.registry["Dropout"] is Dropout


def test_a_class_may_be_defined_again_as_in_a_notebook(load):
    first, second = load("Cost"), load("Cost")
    assert first is not second
    assert Regularizer.registry["Cost"] is second


def test_a_place_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="Odd: there is no place 'lyer'; did you mean layer"):
        type("Odd", (Regularizer,), {"place": "lyer"})


@pytest.mark.usefixtures("own_leaves")
def test_a_base_of_ones_own_may_leave_the_formulas_open():
    class Scaled(Weight, ABC):
        def scale(self):
            return 2.0

    @dataclass(frozen=True, repr=False)
    class Half(Scaled):
        strength: float = knob(0.5, "how much", off=0.0)
        vanilla = staticmethod(lambda w, *, strength: w * (1 - strength))
        torch = staticmethod(lambda w, *, strength, out=None: w * (1 - strength))

    assert "Scaled" not in Regularizer.registry
    assert Half(strength=0.2).scale() == 2.0
