"""Values of expressions, evaluated without running anything; UNKNOWN if that is not possible."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from functools import cached_property, singledispatch
from typing import Any

from bridle_audit.static.constants.folding import CONVERSIONS, UNKNOWN, call_or_unknown, compare, compute
from bridle_audit.static.constants.options import defaults_of, parsed_argument_names
from bridle_audit.static.scopes.index import Binding, Function, Index, defaults
from bridle_audit.static.scopes.resolution import resolve, scope_of

__all__ = ["Values", "last_name"]

DEPTH = 12  # of names that stand for names
CHANGES = frozenset({"append", "extend", "insert", "pop", "remove", "clear", "update", "setdefault", "sort", "reverse"})
SIGNS: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.Not: operator.not_,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}


class Values:
    """The values of a file's expressions. What runs in an order that is not known has none."""

    def __init__(self, index: Index) -> None:
        self.index = index

    def value(self, node: ast.AST, depth: int = DEPTH) -> object:
        """A Python object, or UNKNOWN."""
        return evaluate(node, self, depth) if depth > 0 else UNKNOWN

    def of_name(self, node: ast.Name, depth: int) -> object:
        """Evaluate the one assignment of a name; UNKNOWN if there are several or none."""
        scope = scope_of(self.index, node)
        bindings = scope.bindings[node.id] if scope is not None else []
        if len(bindings) != 1:
            return UNKNOWN
        only = bindings[0]
        if only.kind == "argument" and only.value is not None:
            return self.of_default(only, node.id, depth)
        value = self.value(only.value, depth - 1) if only.kind == "assigned" and only.value is not None else UNKNOWN
        return UNKNOWN if isinstance(value, list | dict | set) and node.id in self.changed else value

    def of_default(self, binding: Binding, name: str, depth: int) -> object:
        """An argument's default, unless a call in the file gives another value."""
        function = self.index.parents.get(binding.node)
        default = self.value(binding.value, depth - 1) if binding.value is not None else UNKNOWN
        if not isinstance(function, Function):
            return default
        given = [self.given(call, function, name, depth) for call in self.calls_of(function)]
        return default if all(each is None or each == (default,) for each in given) else UNKNOWN

    def given(self, call: ast.Call, function: Function, name: str, depth: int) -> tuple[object] | None:
        """Evaluate the argument that a call passes for a parameter, in a tuple; None if the call leaves the default."""
        for keyword in call.keywords:
            if keyword.arg in (name, None):
                return (self.value(keyword.value, depth - 2) if keyword.arg else UNKNOWN,)
        names = [each for each, _ in defaults(function.args)]
        position = names.index(name) - (names[0] in ("self", "cls"))
        if any(isinstance(each, ast.Starred) for each in call.args):
            return (UNKNOWN,)
        return (self.value(call.args[position], depth - 2),) if position < len(call.args) else None

    def calls_of(self, function: Function) -> list[ast.Call]:
        """The calls of a function, or of its class where it is ``__init__``, by their last name."""
        owner = self.index.parents.get(function)
        is_init = function.name == "__init__"
        return self.calls_by_name.get(owner.name if is_init and isinstance(owner, ast.ClassDef) else function.name, [])

    @cached_property
    def calls_by_name(self) -> dict[str, list[ast.Call]]:
        """All calls, by the last part of what is called."""
        found: dict[str, list[ast.Call]] = {}
        for node in self.index.by_type.get(ast.Call, []):
            assert isinstance(node, ast.Call)
            found.setdefault(last_name(node.func), []).append(node)
        return found

    @cached_property
    def changed(self) -> set[str]:
        """Names of lists and dictionaries that are changed somewhere, and names whose attributes are set."""
        names: set[str] = set()
        for node in [*self.index.by_type.get(ast.Subscript, []), *self.index.by_type.get(ast.Attribute, [])]:
            assert isinstance(node, ast.Subscript | ast.Attribute)
            is_store, whole = not isinstance(node.ctx, ast.Load), node.value
            while isinstance(whole, ast.Subscript):
                whole = whole.value
            if isinstance(node, ast.Attribute) and is_store and isinstance(whole, ast.Name):
                names.add(f"{whole.id}.{node.attr}")
            elif isinstance(whole, ast.Name) and (is_store or last_name(node) in CHANGES):
                names.add(whole.id)
        return names

    def of_attribute(self, node: ast.Attribute, depth: int) -> object:
        """``args.lr``, ``Config.lr``, ``config.lr`` and ``self.lr``."""
        if not isinstance(node.value, ast.Name):
            return UNKNOWN
        if node.value.id == "self":
            return self.of_self(node, depth)
        if f"{node.value.id}.{node.attr}" in self.changed:
            return UNKNOWN
        if node.value.id in self.parsers:
            return self.options.get(node.attr, UNKNOWN)
        owner = self.class_behind(node.value)
        return self.of_class(owner, node.attr, depth) if owner is not None else UNKNOWN

    def of_self(self, node: ast.Attribute, depth: int) -> object:
        """Evaluate the one assignment of ``self.name`` in a class."""
        owner = self.class_around(node)
        if owner is None:
            return UNKNOWN
        stores = self.stores.get(owner, {}).get(node.attr, [])
        if not stores:
            return self.of_class(owner, node.attr, depth)
        return self.value(stores[0], depth - 1) if len(stores) == 1 and stores[0] is not None else UNKNOWN

    @cached_property
    def stores(self) -> dict[ast.ClassDef, dict[str, list[ast.expr | None]]]:
        """By class and name: what its methods set their object's attributes to."""
        stores: dict[ast.ClassDef, dict[str, list[ast.expr | None]]] = {}
        for node in self.index.by_type.get(ast.Attribute, []):
            assert isinstance(node, ast.Attribute)
            is_own = isinstance(node.value, ast.Name) and node.value.id == "self" and not isinstance(node.ctx, ast.Load)
            owner = self.class_around(node) if is_own else None
            if owner is not None:
                above = self.index.parents.get(node)
                value = above.value if isinstance(above, ast.Assign | ast.AnnAssign) else None
                stores.setdefault(owner, {}).setdefault(node.attr, []).append(value)
        return stores

    def of_class(self, owner: ast.ClassDef, name: str, depth: int) -> object:
        """Evaluate the one assignment of a name in a class's body."""
        bindings = self.index.inner[owner].bindings.get(name, []) if owner in self.index.inner else []
        if len(bindings) == 1 and bindings[0].kind == "assigned" and bindings[0].value is not None:
            return self.value(bindings[0].value, depth - 1)
        return UNKNOWN

    @cached_property
    def parsers(self) -> set[str]:
        """The names under which the command line's arguments go."""
        calls = self.calls_by_name
        return parsed_argument_names(
            [*calls.get("parse_args", []), *calls.get("parse_known_args", [])], self.index.parents
        )

    @cached_property
    def options(self) -> dict[object, object]:
        """The command line's arguments that have a default, by name."""
        return defaults_of(self.calls_by_name.get("add_argument", []), self.value)

    def class_around(self, node: ast.AST) -> ast.ClassDef | None:
        """The class in whose methods a node stands."""
        above: ast.AST | None = node
        while above is not None and not isinstance(above, ast.ClassDef):
            above = self.index.parents.get(above)
        return above

    def class_behind(self, node: ast.Name) -> ast.ClassDef | None:
        """The class of the file that a name stands for, or of which it is the only object, made without arguments."""
        scope = scope_of(self.index, node)
        bindings = scope.bindings[node.id] if scope is not None else []
        only = bindings[0] if len(bindings) == 1 else None
        if only is not None and isinstance(only.node, ast.ClassDef):
            return only.node
        value = only.value if only is not None and only.kind == "assigned" else None
        if not isinstance(value, ast.Call) or value.args or value.keywords or not isinstance(value.func, ast.Name):
            return None
        return self.class_behind(value.func) if value.func.id != node.id else None


def last_name(node: ast.expr) -> str:
    """Return the last part of a dotted name; empty for any other expression."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


@singledispatch
def evaluate(node: ast.AST, values: Values, depth: int) -> object:
    """Evaluate an expression; UNKNOWN for syntax that is not supported."""
    del node, values, depth
    return UNKNOWN


@evaluate.register
def of_constant(node: ast.Constant, values: Values, depth: int) -> object:
    """A literal."""
    del values, depth
    return node.value


@evaluate.register
def of_name(node: ast.Name, values: Values, depth: int) -> object:
    """``lr``."""
    return values.of_name(node, depth)


@evaluate.register
def of_attribute(node: ast.Attribute, values: Values, depth: int) -> object:
    """``args.lr``."""
    return values.of_attribute(node, depth)


@evaluate.register
def of_sequence(node: ast.List | ast.Tuple | ast.Set, values: Values, depth: int) -> object:
    """A list, tuple or set of which everything is known."""
    parts = [values.value(each, depth - 1) for each in node.elts]
    if any(each is UNKNOWN for each in parts):
        return UNKNOWN
    return call_or_unknown({ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)], parts)


@evaluate.register
def of_dict(node: ast.Dict, values: Values, depth: int) -> object:
    """A dictionary of which everything is known."""
    keys = [values.value(each, depth - 1) if each is not None else UNKNOWN for each in node.keys]
    parts = [values.value(each, depth - 1) for each in node.values]
    if any(each is UNKNOWN for each in [*keys, *parts]):
        return UNKNOWN
    return call_or_unknown(dict, zip(keys, parts, strict=True))


@evaluate.register
def of_unary(node: ast.UnaryOp, values: Values, depth: int) -> object:
    """``-x`` and ``not x``."""
    value = values.value(node.operand, depth - 1)
    known = value is not UNKNOWN and type(node.op) in SIGNS
    return call_or_unknown(SIGNS[type(node.op)], value) if known else UNKNOWN


@evaluate.register
def of_binary(node: ast.BinOp, values: Values, depth: int) -> object:
    """``a + b``."""
    return compute(type(node.op), values.value(node.left, depth - 1), values.value(node.right, depth - 1))


@evaluate.register
def of_compare(node: ast.Compare, values: Values, depth: int) -> object:
    """``a < b``; chains are not followed."""
    left, right = values.value(node.left, depth - 1), values.value(node.comparators[0], depth - 1)
    if left is UNKNOWN or right is UNKNOWN or len(node.ops) > 1:
        return UNKNOWN
    return compare(type(node.ops[0]), left, right)


@evaluate.register
def of_choice(node: ast.IfExp, values: Values, depth: int) -> object:
    """``a if test else b``."""
    test = values.value(node.test, depth - 1)
    return UNKNOWN if test is UNKNOWN else values.value(node.body if test else node.orelse, depth - 1)


@evaluate.register
def of_call(node: ast.Call, values: Values, depth: int) -> object:
    """``float("1e-3")``, ``dict(lr=0.1)``."""
    name = resolve(values.index, node.func)
    if name == "dict" and not node.args and all(each.arg for each in node.keywords):
        parts = {str(each.arg): values.value(each.value, depth - 1) for each in node.keywords}
        return UNKNOWN if any(each is UNKNOWN for each in parts.values()) else parts
    if name not in CONVERSIONS or len(node.args) != 1 or node.keywords:
        return UNKNOWN
    value = values.value(node.args[0], depth - 1)
    return UNKNOWN if value is UNKNOWN else call_or_unknown(CONVERSIONS[name], value)


@evaluate.register
def of_subscript(node: ast.Subscript, values: Values, depth: int) -> object:
    """``config["lr"]``, ``sizes[0]``."""
    whole = values.value(node.value, depth - 1)
    key: Any = values.value(node.slice, depth - 1)
    if key is UNKNOWN or not isinstance(whole, dict | list | tuple | str):
        return UNKNOWN
    try:
        return whole[key]
    except (LookupError, TypeError):
        return UNKNOWN
