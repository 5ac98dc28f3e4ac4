"""The knobs of a regularizer as arguments: numbers, or what they are at a moment of the training."""

from __future__ import annotations

import ast
import inspect
import json
import math
import re
import textwrap
from dataclasses import fields

from bridle import schedules
from bridle.exporting.formulas import copy_definition
from bridle.exporting.script import Script
from bridle.exporting.source import module_source
from bridle.knobs import knobs
from bridle.places.base import Placed
from bridle.schedules import PerLayer, Schedule

__all__ = ["arguments", "is_moving", "keywords", "number", "quoted"]


def arguments(script: Script, unit: Placed, where: tuple[str, ...] = ()) -> dict[str, str]:
    """Return each knob that a formula takes at the site with these names, as code."""
    numbers = {name: number(script, held) for name, held in knob_values(unit, where).items()}
    words = {name: quoted(word) for name, word in unit.words_in_formula().items()}
    return {**numbers, **words}


def quoted(word: str) -> str:
    """Return a word as a string literal."""
    return json.dumps(word, ensure_ascii=False)


def keywords(script: Script, unit: Placed, where: tuple[str, ...] = ()) -> str:
    """Return the knobs at the site with these names as the keyword arguments of a call."""
    return ", ".join(f"{name}={text}" for name, text in arguments(script, unit, where).items())


def is_moving(unit: Placed, where: tuple[str, ...] = ()) -> bool:
    """Return True where a knob changes as the training passes, at these names."""
    return any(isinstance(held, Schedule) for held in knob_values(unit, where).values())


def knob_values(unit: Placed, where: tuple[str, ...]) -> dict[str, float | Schedule]:
    """Return the value of each numeric knob at these names."""
    found = {}
    settings = unit.settings(numbers=True)
    for knob in knobs(unit):
        if knob.is_number:
            held = settings[knob.name]
            if isinstance(held, PerLayer):
                matching = held.lookup(where)
                otherwise = knob.default if knob.off is None else knob.off
                held = otherwise if matching is None else matching
            found[knob.name] = held
    return found


def number(script: Script, held: float | Schedule) -> str:
    """Return a number as code, or a call that computes it from ``passed``, the share of the training that is over."""
    if isinstance(held, Schedule):
        first, last = (number(script, each) for each in held.ends if each is not None)
        others = "".join(f", {name}={getattr(held, name)!r}" for name in schedule_shape(held))
        return f"{schedule(script, held)}(passed, {first}, {last}{others})"
    if math.isinf(held):
        return "math.inf" if held > 0 else "-math.inf"
    return repr(held)


def schedule_shape(held: Schedule) -> list[str]:
    """Return the fields that the shape of a schedule depends on besides its ends."""
    return [each.name for each in fields(held) if re.search(rf"\bself\.{each.name}\b", schedule_expression(held))]


def schedule_expression(held: Schedule) -> str:
    """Return the expression by which a schedule moves."""
    (function,) = ast.parse(textwrap.dedent(inspect.getsource(type(held).progress))).body
    assert isinstance(function, ast.FunctionDef)
    returned = function.body[-1]
    assert isinstance(returned, ast.Return) and returned.value is not None
    return ast.unparse(returned.value)


def schedule(script: Script, held: Schedule) -> str:
    """Define a function that moves as the schedule does; return its name."""
    way, home = schedule_expression(held), module_source(schedules)
    for each in ast.walk(ast.parse(way)):
        if isinstance(each, ast.Name) and each.id in home.defined:
            copy_definition(script, home, each.id)
    others = "".join(f", {name}: float" for name in schedule_shape(held))
    return script.define(
        held.kind,
        [
            f"def {held.kind}(passed: float, first: float, last: float{others}) -> float:",
            '    """A strength on its way from ``first`` to ``last``, when this share of the training has passed."""',
            f"    moved = {way.replace('self.', '')}",
            "    if moved in (0.0, 1.0):",
            "        return last if moved else first",
            "    return (1 - moved) * first + moved * last",
        ],
    )
