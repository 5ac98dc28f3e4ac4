"""The written forms of a recipe: text, which is parsed and never run, and the plain values of JSON and TOML.

What a name means is not known here: a term of a recipe is a name with values, and ``recipe`` makes a regularizer of it.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from bridle.errors import InputError
from bridle.schedules import SCHEDULES, PerLayer, Schedule
from bridle_audit.wording import nearest, shortened

__all__ = ["Term", "from_plain", "json_number", "names_in", "parse_terms", "to_plain", "toml_table"]

# The field's word for a strength, which is a keyword of Python and no name.
LAMBDA_KEYWORD = re.compile(r"\blambda(?=\s*=)")
INFINITE = {"inf": math.inf, "-inf": -math.inf}  # as JSON and a text write them
SCHEDULE, PER_LAYER = "schedule", "per layer"  # what marks them in JSON and TOML


@dataclass(frozen=True)
class Term:
    """One regularizer of a text: ``Dropout``, ``Dropout(0.2)`` or ``Dropout(rate=0.2)``."""

    name: str
    call: ast.Call | None
    text: str  # all of it, for errors

    def settings(self, names: list[str]) -> dict[str, Any]:
        """Read the values that the term gives to the knobs with these names."""
        given = {} if self.call is None else call_arguments(self.call, self.name, names, self.text)
        return {name: parse_value(node, self.text) for name, node in given.items()}


def parse_terms(text: str) -> Iterator[Term]:
    """The regularizers of a sum, left to right; ``ValueError`` for what is no such sum."""
    try:
        nodes = [ast.parse(LAMBDA_KEYWORD.sub("lambda_", text.strip()), mode="eval").body]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(syntax_message(text)) from error
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            nodes += [node.right, node.left]
        elif isinstance(node, ast.Name):
            yield Term(node.id, None, text)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield Term(node.func.id, node, text)
        else:
            raise InputError(syntax_message(text))


def call_arguments(call: ast.Call, owner: str, names: list[str], text: str) -> dict[str, ast.expr]:
    """Return a call's arguments by name; ``ValueError`` for too many, for one given twice, and for ``*`` and ``**``."""
    if len(call.args) > len(names) or any(keyword.arg is None for keyword in call.keywords):
        raise InputError(f"{syntax_message(text)}; {owner} takes {', '.join(names)}")
    given = [*zip(names, call.args, strict=False), *((str(k.arg), k.value) for k in call.keywords)]
    repeated = duplicates([name for name, _ in given])
    if repeated:
        raise InputError(f"{owner}: {repeated[0]} is given twice in {shortened(text)}")
    return dict(given)


def parse_value(node: ast.expr, text: str) -> Any:
    """Read a knob's value: a number, a word, a schedule, or a dictionary of them by layer."""
    if not isinstance(node, ast.Dict):
        return parse_single(node, text)
    patterns = [None if key is None else parse_literal(key, text) for key in node.keys]
    repeated = duplicates(patterns)
    if repeated:
        raise InputError(f"the pattern {shortened(str(repeated[0]))} is given twice in {shortened(text)}")
    return dict(zip(patterns, (parse_single(each, text) for each in node.values), strict=True))


def parse_single(node: ast.expr, text: str) -> Any:
    """A number, a word or a schedule."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        return parse_literal(node, text)
    kind = known_schedule(node.func.id)
    given = call_arguments(node, kind.kind, list(schedule_parameters(kind)), text)
    return make_schedule(kind, {name: parse_literal(each, text) for name, each in given.items()})


def parse_literal(node: ast.expr, text: str) -> float | str:
    """A number, negative ones and ``inf`` among them, or a quoted word."""
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    inner = node.operand if negative and isinstance(node, ast.UnaryOp) else node
    found = inner.value if isinstance(inner, ast.Constant) else None
    if isinstance(inner, ast.Name):
        found = INFINITE.get(inner.id)
    if isinstance(found, int | float) and not isinstance(found, bool):
        return -found if negative else found
    if isinstance(found, str) and not negative:
        return found
    shown = shortened(ast.get_source_segment(text.strip(), node) or "")
    raise InputError(
        f"{syntax_message(text)}; {shown} is neither a number, a quoted word, a schedule nor values by layer"
    )


def known_schedule(name: str) -> type[Schedule]:
    """The schedule of that name; ``ValueError`` with the nearest names if there is none."""
    if name in SCHEDULES:
        return SCHEDULES[name]
    raise InputError(f"unknown schedule {shortened(name)}{nearest(name, SCHEDULES)}")


def schedule_parameters(kind: type[Schedule]) -> dict[str, bool]:
    """The arguments that a schedule takes, and whether each must be given."""
    return {each.name: each.default is MISSING for each in fields(kind) if each.repr}


def make_schedule(kind: type[Schedule], given: Mapping[str, object]) -> Schedule:
    """A schedule from arguments by name; ``ValueError`` for one that is unknown or missing."""
    for name in given:
        if name not in schedule_parameters(kind):
            raise InputError(f"{kind.kind} has no argument {shortened(name)}{nearest(name, schedule_parameters(kind))}")
    for name, is_required in schedule_parameters(kind).items():
        if is_required and name not in given:
            raise InputError(
                f"{kind.kind}: {name} is missing; its arguments are {', '.join(schedule_parameters(kind))}"
            )
    return kind(**given)


def names_in(text: str) -> set[str]:
    """The names that a text of Python uses."""
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def to_plain(held: float | str | Schedule | PerLayer, number: Callable[[float], Any]) -> Any:
    """A knob's value made of dictionaries, words and numbers, these in the form that ``number`` gives them."""
    if isinstance(held, PerLayer):
        return {PER_LAYER: {pattern: to_plain(each, number) for pattern, each in held.entries}}
    if isinstance(held, Schedule):
        return {SCHEDULE: held.kind, **{name: number(each) for name, each in held.arguments().items()}}
    return held if isinstance(held, str) else number(held)


def json_number(number: float) -> float | str:
    """A number as strict JSON can hold it."""
    return number if math.isfinite(number) else repr(number)


def from_plain(data: object) -> Any:
    """Read :func:`to_plain` back, of a knob that is a number; what has no such form is left for the knob to refuse."""
    if isinstance(data, str):
        return INFINITE.get(data, data)
    if not isinstance(data, Mapping):
        return data
    if SCHEDULE in data:
        given = {name: from_plain(each) for name, each in data.items() if name != SCHEDULE}
        return make_schedule(known_schedule(str(data[SCHEDULE])), given)
    layers = data.get(PER_LAYER, data)
    if not isinstance(layers, Mapping) or (layers is not data and len(data) > 1):
        raise InputError(f"values by layer are {{{PER_LAYER!r}: {{pattern: value, ...}}}}, got {shortened(repr(data))}")
    return {pattern: from_plain(each) for pattern, each in layers.items()}


def toml_table(table: Mapping[str, object]) -> str:
    """A line of TOML for each entry."""
    return "".join(f"{toml_key(name)} = {toml_value(each)}\n" for name, each in table.items())


def toml_value(held: object) -> str:
    """A number, a word or a dictionary as TOML writes it in one line."""
    if isinstance(held, dict):
        return f"{{ {', '.join(f'{toml_key(name)} = {toml_value(each)}' for name, each in held.items())} }}"
    if isinstance(held, str):
        return json.dumps(held, ensure_ascii=False).replace("\x7f", "\\u007F")  # all else is escaped alike in both
    return repr(held)


def toml_key(name: str) -> str:
    """A key, quoted where it must be."""
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else toml_value(name)


def duplicates(names: list[Any]) -> list[Any]:
    """The names that stand there more than once."""
    return [name for name, count in Counter(names).items() if count > 1]


def syntax_message(text: str) -> str:
    """The sentence for a recipe that is not one."""
    form = "'Dropout(rate=0.2) + WeightDecay(strength=0.01)' or 'none'"
    return f"cannot read the recipe {shortened(text)}; write it as {form}"
