"""The checks of a regularizer's declarations: its knobs, its text forms, its card."""

from __future__ import annotations

import doctest
import json
import re
import sys
from collections.abc import Callable, Iterator

import torch

from bridle.card import card_of
from bridle.knobs import Knob, knobs
from bridle.name_suggestions import conversion
from bridle.recipe import Recipe, Regularizer, regularizer_from_json
from bridle.schedules import SCHEDULES, Schedule, after, cosine, flat_cosine, linear, until
from bridle.testing.assertions import require
from bridle.testing.cases import sample_variants

__all__ = ["CARD_CHECKS"]

Leaf = type[Regularizer]
NOT_NUMBERS: tuple[object, ...] = (True, None, "0.5", [], 1j)
NOT_WORDS: tuple[object, ...] = ("", None, 5, True, ["all"])


def regularizers_of(leaf: Leaf) -> Iterator[Regularizer]:
    """Yield regularizers with numbers, schedules, values by layer and words other than the default."""
    yield leaf()
    yield from sample_variants(leaf)
    for word in (k for k in knobs(leaf) if not k.is_number):
        for value in word.choices or ("all", "linear1.*", "it's"):
            yield leaf(**{word.name: value})
    for number in (k for k in knobs(leaf) if k.is_number):
        for changing in schedules_of(leaf, number.name):
            yield leaf(**{number.name: changing})
            yield leaf(**{number.name: {"0": changing, "linear1.*": getattr(sample_variants(leaf)[0], number.name)}})
        if number.off is not None:
            yield leaf(**{number.name: until(0.25)})
            yield leaf(**{number.name: {"it's": after(0.5), "*": number.off}})


def schedules_of(leaf: Leaf, name: str) -> Iterator[Schedule]:
    """Yield a schedule of each kind that passes through values which the knob may have."""
    first, *_, last = (getattr(unit, name) for unit in sample_variants(leaf))
    yield linear(first, last, over=0.2)
    yield cosine(last, first)
    yield flat_cosine(first, end=last)


def invalid_values(declared: Knob) -> Iterator[object]:
    """Yield values that the knob must not take."""
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
    """A value outside a knob's range raises an error that names unit, knob, range and value, in this order."""
    for declared in knobs(leaf):
        for value in invalid_values(declared):
            try:
                unit = leaf(**{declared.name: value})
            except ValueError as error:
                parts = [leaf.__name__, declared.name, declared.range, repr(value)]
                require(
                    re.search(".*".join(map(re.escape, parts)), str(error)), f"{parts} are not, in order, in: {error}"
                )
            else:
                raise AssertionError(f"{unit} was accepted")


def check_text_reads_back(leaf: Leaf) -> None:
    """``eval(repr(u))``, the recipe's text, TOML and JSON all give the same regularizer back."""
    for unit in regularizers_of(leaf):
        require(eval(repr(unit), {leaf.__name__: leaf, "inf": float("inf"), **SCHEDULES}) == unit, f"eval of {unit!r}")
        recipe = Recipe((unit,))
        require(Recipe.parse(str(recipe)) == recipe, f"the text {recipe}")
        require(Recipe.from_toml(recipe.to_toml()) == recipe, f"the TOML {recipe.to_toml()}")
        require(
            regularizer_from_json(json.loads(json.dumps(unit.to_json(), allow_nan=False))) == unit, f"JSON of {unit!r}"
        )
        require(hash(unit) == hash(regularizer_from_json(unit.to_json())), f"hash of {unit!r}")


def check_knobs_are_described(leaf: Leaf) -> None:
    """There are knobs; a word of the field means one of them, and the card tells of one with another value."""
    require(knobs(leaf), f"{leaf.__name__} has no knobs")
    words = [word for each in knobs(leaf) for word in (each.name, *each.known_as, *each.differs)]
    for word in words:
        require(words.count(word) == 1, f"{leaf.__name__}: {word} stands for two knobs")
    for word in (word for each in knobs(leaf) for word in each.differs):
        require(conversion(leaf, word), f"{leaf.__name__}: the card's Conversion does not say what {word} is")


def check_example_runs(leaf: Leaf) -> None:
    """The card's example prints exactly the output that it shows."""
    names = {**vars(sys.modules[leaf.__module__])}
    example = doctest.DocTestParser().get_doctest(leaf.__doc__ or "", names, leaf.__name__, None, None)
    printed: list[str] = []
    with torch.random.fork_rng(devices=[]):
        doctest.DocTestRunner(verbose=False).run(example, out=printed.append)
    require(not printed, "".join(printed))


def check_conflicts_are_known(leaf: Leaf) -> None:
    """The card names as conflicts only regularizers that there are."""
    for name in (name for each in card_of(leaf).conflicts for name in each.names):
        require(name in Regularizer.registry, f"{leaf.__name__}: there is no {name}, with which it has a conflict")


CARD_CHECKS: tuple[Callable[[Leaf], None], ...] = (
    check_bad_knobs_are_refused,
    check_text_reads_back,
    check_knobs_are_described,
    check_example_runs,
    check_conflicts_are_known,
)
