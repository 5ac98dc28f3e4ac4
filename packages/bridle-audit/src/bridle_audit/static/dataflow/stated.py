"""Numbers that a call states for certain, for rules that read."""

from __future__ import annotations

import ast

from bridle_audit.static.facts.calls import Call

__all__ = ["stated_number"]

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def stated_number(call: Call, position: int | None, keyword: str, default: float | None = None) -> float | None:
    """The number that an argument is; None where it is not known.

    Nor is it known where the argument depends on a parameter of a function around the call: its callers may give
    another number than its default.

    >>> from bridle_audit.static import read_source
    >>> program = read_source('''from torch import nn
    ... def block(rate=0.9):
    ...     return nn.Dropout(1 - rate), nn.Dropout(0.3)
    ... ''')
    >>> [stated_number(call, 0, "p") for call in program.calls("torch.nn.Dropout")]
    [None, 0.3]
    """
    argument = call.argument(position, keyword)
    if argument is not None and parameters_around(call) & {
        each.id for each in ast.walk(argument) if isinstance(each, ast.Name)
    }:
        return None
    return call.number(position, keyword, default)


def parameters_around(call: Call) -> set[str]:
    """The parameters of all functions in which a call stands."""
    around = [each.args for each in call.syntax.above(call.node) if isinstance(each, FUNCTIONS)]
    return {each.arg for of in around for each in (*of.posonlyargs, *of.args, *of.kwonlyargs)}
