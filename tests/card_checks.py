"""The checks of what a regularizer says of itself: its knobs, its text forms, its file, its card."""

from __future__ import annotations

import ast
import doctest
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

from cases import settings

from bridle import CATALOG
from bridle.card import OPTIONAL, SECTIONS, Conflict, card_of
from bridle.knobs import Knob, knobs
from bridle.recipe import Recipe, Regularizer, from_json
from bridle.schedules import SCHEDULES, Schedule, after, cosine, flat_cosine, linear, until

Leaf = type[Regularizer]
NOT_NUMBERS = (True, None, "0.5", [], 1j)
NOT_WORDS = ("", None, 5, True, ["all"])


def snake_case(name: str) -> str:
    """``WeightDecay`` -> ``weight_decay``, ``RMSNorm`` -> ``rms_norm``, ``L2ToInit`` -> ``l2_to_init``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def source_file(leaf: Leaf) -> Path:
    """The file in which the class stands."""
    return Path(inspect.getsourcefile(leaf) or "")


def spoken(leaf: Leaf) -> Iterator[Regularizer]:
    """Regularizers with numbers, schedules, values by layer and words other than the default."""
    yield leaf()
    yield from settings(leaf)
    for word in (k for k in knobs(leaf) if not k.is_number):
        for value in word.choices or ("all", "linear1.*", "it's"):
            yield leaf(**{word.name: value})
    for number in (k for k in knobs(leaf) if k.is_number):
        for changing in schedules(leaf, number.name):
            yield leaf(**{number.name: changing})
            yield leaf(**{number.name: {"0": changing, "linear1.*": getattr(settings(leaf)[0], number.name)}})
        if number.off is not None:
            yield leaf(**{number.name: until(0.25)})
            yield leaf(**{number.name: {"it's": after(0.5), "*": number.off}})


def schedules(leaf: Leaf, name: str) -> Iterator[Schedule]:
    """A schedule of each kind that passes through values which the knob has."""
    first, *_, last = (getattr(unit, name) for unit in settings(leaf))
    yield linear(first, last, over=0.2)
    yield cosine(last, first)
    yield flat_cosine(first, end=last)


def refused(declared: Knob) -> Iterator[object]:
    """Values that the knob must not take."""
    if not declared.is_number:
        yield from (*NOT_WORDS, *(("no such word",) if declared.choices else ()))
        return
    yield from (*NOT_NUMBERS, float("nan"), float("-inf"), 10**400, declared.low - 1)
    if declared.open_low:
        yield declared.low
    if declared.high < float("inf"):
        yield from (declared.high + 1, float("inf"))
    if declared.open_high:
        yield declared.high


def check_bad_knobs_are_refused(leaf: Leaf) -> None:
    """What a knob cannot be gets an error that names unit, knob, range and value, in this order."""
    for declared in knobs(leaf):
        for value in refused(declared):
            try:
                unit = leaf(**{declared.name: value})
            except ValueError as error:
                parts = [leaf.__name__, declared.name, declared.range, repr(value)]
                assert re.search(".*".join(map(re.escape, parts)), str(error)), (
                    f"{parts} are not, in order, in: {error}"
                )
            else:
                raise AssertionError(f"{unit} was accepted")


def check_text_reads_back(leaf: Leaf) -> None:
    """``eval(repr(u))``, the recipe's text, TOML and JSON all give the same regularizer back."""
    for unit in spoken(leaf):
        assert eval(repr(unit), {leaf.__name__: leaf, "inf": float("inf"), **SCHEDULES}) == unit, f"eval of {unit!r}"
        recipe = Recipe((unit,))
        assert Recipe.parse(str(recipe)) == recipe, f"the text {recipe}"
        assert Recipe.from_toml(recipe.to_toml()) == recipe, f"the TOML {recipe.to_toml()}"
        assert from_json(json.loads(json.dumps(unit.to_json(), allow_nan=False))) == unit, f"JSON of {unit!r}"
        assert hash(unit) == hash(from_json(unit.to_json())), f"hash of {unit!r}"


def check_knobs_are_described(leaf: Leaf) -> None:
    """Every field is a knob; every knob has a meaning and admits its default and its off value."""
    assert [k.name for k in knobs(leaf)], f"{leaf.__name__} has no knobs"
    assert {k.name for k in knobs(leaf)} == {field.name for field in fields(leaf)}, (
        f"{leaf.__name__}: a field is no knob"
    )
    for declared in knobs(leaf):
        assert declared.meaning, f"{leaf.__name__}.{declared.name} has no meaning"
        assert declared.admits(declared.default), f"{leaf.__name__}.{declared.name} refuses its default"
        assert declared.off is None or declared.admits(declared.off), f"{leaf.__name__}.{declared.name} refuses off"


def check_file_form(leaf: Leaf) -> None:
    """The file has the regularizer's name, stands in its place's folder and defines vanilla, torch, class, in order."""
    path, name = source_file(leaf), snake_case(leaf.__name__)
    assert path.name == f"{name}.py", f"{leaf.__name__} stands in {path.name}, expected {name}.py"
    assert path.parent.name == leaf.place, f"{path} is not in the folder {leaf.place}"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{path.name} has no docstring"
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    form = [f"{name}_vanilla", name, leaf.__name__]
    assert [each for each in defined if each in form] == form, f"{path.name} defines {defined}, expected {form}"
    assert [leaf.vanilla.__name__, leaf.torch.__name__] == form[:2], f"{leaf.__name__} does not use {form[:2]}"


def check_vanilla_is_free_of_torch(leaf: Leaf) -> None:
    """The NumPy form mentions neither torch nor anything imported from it."""
    tree = ast.parse(source_file(leaf).read_text(encoding="utf-8"))
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    forbidden = {"torch", "Tensor"}
    for node in imported:
        module = getattr(node, "module", None) or ""
        forbidden |= {
            alias.asname or alias.name for alias in node.names if (module or alias.name).split(".")[0] == "torch"
        }
    for function in tree.body:
        if isinstance(function, ast.FunctionDef) and function.name.endswith("_vanilla"):
            words = set(re.findall(r"\w+", ast.unparse(function)))
            assert not words & forbidden, f"{function.name} mentions {words & forbidden}"


def check_card(leaf: Leaf) -> None:
    """The docstring has one opening sentence and the card's sections, in order, none of them empty."""
    card = card_of(leaf)
    assert card.summary.endswith("."), f"{leaf.__name__}: the card opens with a sentence"
    expected = [each for each in SECTIONS if each in card.headings or each not in OPTIONAL]
    assert list(card.headings) == expected, f"{leaf.__name__} has {card.headings}, expected {expected}"
    for heading, text in card.sections:
        assert text, f"{leaf.__name__}: {heading} is empty"
    assert re.search(r"https?://", card["Paper"]), f"{leaf.__name__}: the paper has no address"
    for conflict in card.conflicts:
        check_conflict(leaf, conflict)


def check_conflict(leaf: Leaf, conflict: Conflict) -> None:
    """It is with regularizers of the catalog, is a sentence, and is stated by one of the two only."""
    assert conflict.sentence.endswith("."), f"{leaf.__name__}: {conflict.sentence!r} is no sentence"
    for name in conflict.names:
        assert name in CATALOG, f"{leaf.__name__}: the catalog has no {name}, with which it has a conflict"
        back = [each for entry in card_of(CATALOG[name]).conflicts for each in entry.names]
        assert name == leaf.__name__ or leaf.__name__ not in back, (
            f"{leaf.__name__} and {name} state their conflict twice"
        )
    named = [name for each in card_of(leaf).conflicts for name in each.names]
    assert len(named) == len(set(named)), f"{leaf.__name__} names a regularizer in two conflicts: {named}"


def check_example_runs(leaf: Leaf) -> None:
    """The card's example exists, uses the regularizer and prints what it says."""
    words = {**vars(sys.modules[leaf.__module__])}
    example = doctest.DocTestParser().get_doctest(leaf.__doc__ or "", words, leaf.__name__, None, None)
    uses = any(leaf.__name__ in step.source for step in example.examples)
    assert uses and any(step.want for step in example.examples), f"{leaf.__name__}: no example that prints something"
    printed: list[str] = []
    doctest.DocTestRunner(verbose=False).run(example, out=printed.append)
    assert not printed, "".join(printed)


CARD_CHECKS: tuple[Callable[[Leaf], None], ...] = (
    check_bad_knobs_are_refused,
    check_text_reads_back,
    check_knobs_are_described,
    check_file_form,
    check_vanilla_is_free_of_torch,
    check_card,
    check_example_runs,
)
