"""Arithmetic with what can be told of a file's values; what cannot is UNKNOWN."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any, Final, TypeGuard

__all__ = ["CONVERSIONS", "UNKNOWN", "call_or_unknown", "compare", "compute", "is_number"]


class Unknown:
    """An unknown value: false, equal to nothing but itself, neither smaller nor greater than anything."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "UNKNOWN"

    def no(self, other: object) -> bool:
        """The answer to any comparison."""
        del other
        return False

    __lt__ = __le__ = __gt__ = __ge__ = no


UNKNOWN: Final = Unknown()
LARGEST = 1e15  # of the numbers that are computed with: a hostile file may ask for 9**9**9
ARITHMETIC: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
CONVERSIONS: dict[str, Callable[[Any], Any]] = {"float": float, "int": int, "bool": bool, "str": str, "len": len}


def is_number(value: object) -> TypeGuard[float]:
    """Return True for an int or a float, and False for a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def compute(kind: type[ast.AST], left: Any, right: Any) -> object:
    """A sum, product, ... of two values.

    >>> compute(ast.Mult, 2, 0.5), compute(ast.Add, "a", 1), compute(ast.Pow, 9, 9**9)
    (1.0, UNKNOWN, UNKNOWN)
    """
    if isinstance(left, str) and isinstance(right, str) and kind is ast.Add and len(left) + len(right) < 1000:
        return left + right
    if isinstance(left, list) and isinstance(right, list) and kind is ast.Add:
        return left + right
    if kind not in ARITHMETIC or not (is_number(left) and is_number(right)):
        return UNKNOWN
    if abs(left) > LARGEST or abs(right) > (64 if kind is ast.Pow else LARGEST):
        return UNKNOWN
    return call_or_unknown(ARITHMETIC[kind], left, right)


def compare(kind: type[ast.AST], left: object, right: object) -> object:
    """Evaluate a comparison of two values: ``<``, ``==``, ``in`` ..."""
    return call_or_unknown(COMPARISONS[kind], left, right)


def call_or_unknown(function: Callable[..., object], *arguments: object) -> object:
    """Call a function; UNKNOWN if it does not accept the arguments."""
    try:
        return function(*arguments)
    except (ArithmeticError, TypeError, ValueError):
        return UNKNOWN
