"""A call: what is called, and with what."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridle_audit.findings import Location
from bridle_audit.static.constants.folding import UNKNOWN, is_number
from bridle_audit.static.scopes.index import Function, Loop
from bridle_audit.static.syntax import Syntax

__all__ = ["Call", "call_of", "is_no_grad", "is_under_no_grad", "no_grad_around", "turns_gradients_off"]

NO_GRAD = frozenset({"torch.no_grad", "torch.inference_mode"})


@dataclass(frozen=True, eq=False)
class Call:
    """A call that the file makes."""

    syntax: Syntax
    node: ast.Call
    name: str  # resolved; "method:step" for a method of a value, "?" for what has no name
    known: Mapping[ast.expr, Any] = field(default_factory=dict)  # arguments whose values are known for this one network

    @property
    def location(self) -> Location:
        """The location of the call."""
        return self.syntax.location(self.node)

    @property
    def receiver(self) -> ast.expr | None:
        """The expression before the last dot: ``model`` in ``model.eval()``."""
        return self.node.func.value if isinstance(self.node.func, ast.Attribute) else None

    @property
    def function(self) -> Function | None:
        """The ``def`` in which it stands."""
        return self.syntax.function_of(self.node)

    @property
    def statement(self) -> ast.stmt | None:
        """The statement that it is part of."""
        return self.syntax.statement_of(self.node)

    @property
    def loops(self) -> list[Loop]:
        """The loops of its function around it, the innermost first."""
        return self.syntax.loops_around(self.node)

    @property
    def under_no_grad(self) -> bool:
        """True if the call is in a ``with torch.no_grad():`` or in a function decorated with it."""
        return is_under_no_grad(self.syntax, self.node)

    @property
    def open(self) -> bool:
        """True if the call has ``*arguments`` or ``**keywords`` that are not known."""
        return any(isinstance(each, ast.Starred) for each in self.node.args) or None in dict(self.keywords())

    def keywords(self) -> Iterator[tuple[str | None, ast.expr]]:
        """The keywords, with those of ``**{...}``; None for what is not known of them."""
        for each in self.node.keywords:
            if each.arg is not None:
                yield each.arg, each.value
            else:
                yield from unpacked_keywords(self.syntax, each.value)

    def argument(self, position: int | None, keyword: str | None = None) -> ast.expr | None:
        """The expression that is given there: ``call.argument(1, "lr")``; None where none is to be seen."""
        given = dict(self.keywords()).get(keyword) if keyword is not None else None
        if given is not None or position is None:
            return given
        before = self.node.args[: position + 1]
        fits = len(before) > position and not any(isinstance(each, ast.Starred) for each in before)
        return before[position] if fits else None

    def states(self, position: int | None, keyword: str | None = None) -> bool:
        """Return True if the call passes the argument."""
        return self.argument(position, keyword) is not None

    def value(self, position: int | None, keyword: str | None = None, default: object = None) -> Any:
        """Return the argument's value as a Python object: ``default`` if it is not passed, or UNKNOWN."""
        given = self.argument(position, keyword)
        if given is None:
            return UNKNOWN if self.open else default
        return self.known[given] if given in self.known else self.syntax.value(given)

    def number(self, position: int | None, keyword: str | None = None, default: float | None = None) -> float | None:
        """Return the argument if it is a number, else None: ``call.number(0, "p", 0.5)``."""
        value = self.value(position, keyword, default)
        return float(value) if is_number(value) else None


def unpacked_keywords(syntax: Syntax, node: ast.expr) -> Iterator[tuple[str | None, ast.expr]]:
    """The keywords in ``**node``, if it is a dictionary that is written out."""
    bindings = syntax.bindings(node) if isinstance(node, ast.Name) and node.id not in syntax.values.changed else []
    node = bindings[0] or node if len(bindings) == 1 else node
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            yield (str(key.value) if isinstance(key, ast.Constant) else None), value
    elif isinstance(node, ast.Call) and syntax.resolve(node.func) == "dict" and not node.args:
        yield from ((each.arg, each.value) for each in node.keywords)
    else:
        yield None, node


def callee_name(syntax: Syntax, node: ast.Call) -> str:
    """Return the name of a call's callee: resolved, "method:name" for the method of a value, or "?"."""
    name = syntax.resolve(node.func)
    if name is not None:
        return name
    return f"method:{node.func.attr}" if isinstance(node.func, ast.Attribute) else "?"


def call_of(syntax: Syntax, node: ast.Call) -> Call:
    """The call that a node is."""
    return Call(syntax, node, callee_name(syntax, node))


def is_no_grad(syntax: Syntax, node: ast.expr) -> bool:
    """Return True if a decorator or context manager turns gradients off."""
    if not isinstance(node, ast.Call):
        return syntax.resolve(node) in NO_GRAD
    name = syntax.resolve(node.func)
    if name == "torch.set_grad_enabled":
        return call_of(syntax, node).value(0, "mode") is False
    return name in NO_GRAD and call_of(syntax, node).value(0, "mode", True) is not False


def turns_gradients_off(syntax: Syntax, node: ast.With | ast.AsyncWith | Function) -> bool:
    """True if gradients are off in a block by its ``with``, or in a function by a decorator."""
    if isinstance(node, Function):
        return any(is_no_grad(syntax, each) for each in node.decorator_list)
    return any(is_no_grad(syntax, each.context_expr) for each in node.items)


def no_grad_around(syntax: Syntax, node: ast.AST) -> ast.AST | None:
    """The ``with`` or the decorated function by which gradients are off where a node stands; None where they are on.

    Callers are not looked at: it goes by what the node's own function shows.
    """
    for each in syntax.above(node):
        if isinstance(each, ast.With | ast.AsyncWith) and turns_gradients_off(syntax, each):
            return each
        if isinstance(each, Function):
            return each if turns_gradients_off(syntax, each) else None
    return None


def is_under_no_grad(syntax: Syntax, node: ast.AST) -> bool:
    """True if gradients are off where a node stands, as far as its own function shows."""
    return no_grad_around(syntax, node) is not None
