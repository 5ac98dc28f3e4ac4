"""Defaults of a program's command line: ``parser.add_argument("--lr", type=float, default=1e-3)``."""

from __future__ import annotations

import ast
from collections.abc import Callable

from bridle_audit.static.constants.folding import CONVERSIONS, UNKNOWN, call_or_unknown

__all__ = ["defaults_of", "parsed_argument_names"]

Value = Callable[[ast.AST], object]


def parsed_argument_names(calls: list[ast.Call], parents: dict[ast.AST, ast.AST]) -> set[str]:
    """The names that the results of ``parse_args`` are given."""
    names: set[str] = set()
    for call in calls:
        above = parents.get(call)
        for target in above.targets if isinstance(above, ast.Assign) else []:
            first = target.elts[0] if isinstance(target, ast.Tuple) and target.elts else target
            names.update([first.id] if isinstance(first, ast.Name) else [])
    return names


def defaults_of(calls: list[ast.Call], value: Value) -> dict[object, object]:
    """The defaults of ``add_argument``, by name; UNKNOWN where there are several, or none."""
    options: dict[object, object] = {}
    for call in calls:
        given = {each.arg: each.value for each in call.keywords if each.arg}
        name, default = option_name(call, given, value), option_default(given, value)
        options[name] = UNKNOWN if name in options and options[name] != default else default
    return options


def option_name(call: ast.Call, given: dict[str, ast.expr], value: Value) -> object:
    """The attribute under which an argument is found."""
    if "dest" in given:
        return value(given["dest"])
    flags = [each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    long = [each for each in flags if each.startswith("--")] or flags
    return (long or [""])[0].lstrip("-").replace("-", "_")


def option_default(given: dict[str, ast.expr], value: Value) -> object:
    """One argument's default, of the type that it says."""
    if "default" not in given:
        action = value(given["action"]) if "action" in given else None
        return {"store_true": False, "store_false": True}.get(str(action), UNKNOWN)
    default, kind = value(given["default"]), getattr(given.get("type"), "id", None)
    return (
        call_or_unknown(CONVERSIONS[kind], default)
        if isinstance(default, str) and kind in ("float", "int")
        else default
    )
