"""Names given to values and their parts; items and slices; comprehensions."""

from __future__ import annotations

import ast
from typing import Any

from bridle_audit.static.constants.folding import UNKNOWN
from bridle_audit.static.interpreter.abstract_values import (
    TOP,
    AbstractValue,
    Const,
    Container,
    Frame,
    Tensor,
    TupleValue,
)
from bridle_audit.static.interpreter.iteration import items_of, iterations
from bridle_audit.static.interpreter.machine import Machine, expression
from bridle_audit.static.interpreter.operators import truth
from bridle_audit.static.scopes.index import target_values

__all__ = ["SCALARS", "bind", "constant_value", "unpack"]

SCALARS = (int, float, str, bool, type(None))


def constant_value(machine: Machine, node: ast.expr) -> AbstractValue:
    """The value that an expression has wherever it stands."""
    value = machine.syntax.value(node)
    return Const(value) if value is not UNKNOWN and isinstance(value, SCALARS) else TOP


def bind(machine: Machine, target: ast.expr, value: AbstractValue, frame: Frame) -> None:
    """Give names to a value, or to its parts."""
    if isinstance(target, ast.Name):
        frame.bind(target.id, value)
    elif isinstance(target, ast.Tuple | ast.List):
        for each, part in zip(target.elts, unpack(machine, value, target.elts), strict=True):
            bind(machine, each, part, frame)
    else:
        for name, _ in target_values(target, None):
            frame.bind(name, TOP)


def unpack(machine: Machine, value: AbstractValue, targets: list[ast.expr]) -> list[AbstractValue]:
    """A value in as many parts as there are targets; data that are taken apart have gone the same way."""
    items = items_of(machine, value)
    starred = any(isinstance(each, ast.Starred) for each in targets)
    if items is not None and len(items) == len(targets) and not starred:
        return items
    if items is not None and starred and isinstance(targets[0], ast.Name) and items:
        return [items[0], *[TOP] * (len(targets) - 1)]
    return [value if isinstance(value, Tensor) else TOP] * len(targets)


@expression.register
def of_subscript(node: ast.Subscript, machine: Machine, frame: Frame) -> AbstractValue:
    """``a[b]``, ``a[1:]``."""
    whole = machine.evaluate(node.value, frame)
    if isinstance(whole, Tensor):
        return machine.selected(whole, node)
    items = items_of(machine, whole)
    if isinstance(node.slice, ast.Slice):
        ends = [machine.evaluate(each, frame) if each else Const(None) for each in slice_parts(node.slice)]
        return sliced(machine, node, whole, items, ends)
    key = machine.evaluate(node.slice, frame)
    if isinstance(whole, Container) and isinstance(key, Const) and not isinstance(key.value, int):
        return next((each for name, each in machine.pairs(whole) if name == key.value), TOP)
    if items is None or not isinstance(key, Const) or not isinstance(key.value, int):
        return constant_value(machine, node)
    return items[key.value] if -len(items) <= key.value < len(items) else TOP


def slice_parts(node: ast.Slice) -> list[ast.expr | None]:
    """From, to, step."""
    return [node.lower, node.upper, node.step]


def sliced(
    machine: Machine, node: ast.AST, whole: AbstractValue, items: list[AbstractValue] | None, ends: list[AbstractValue]
) -> AbstractValue:
    """A part of a list, tuple or sequence of layers."""
    values = [each.value for each in ends if isinstance(each, Const) and isinstance(each.value, int | type(None))]
    if items is None or len(values) < 3 or values[2] == 0:
        return TOP
    kept = items[slice(*values)]
    kind = whole.kind if isinstance(whole, Container) else "list"
    return TupleValue(tuple(kept)) if isinstance(whole, TupleValue) else machine.container(kind, node, kept)


@expression.register
def of_comprehension(node: ast.ListComp | ast.GeneratorExp, machine: Machine, frame: Frame) -> AbstractValue:
    """``[f(x) for x in xs if test]``; of one whose length is not known there are two items."""
    values: list[AbstractValue] = []
    inner = Frame(outer=frame, owner=frame.owner, receiver=frame.receiver, no_grad=frame.no_grad)
    collect(machine, node, list(node.generators), inner, values)
    return machine.container("list", node, values)


def collect(
    machine: Machine, node: Any, generators: list[ast.comprehension], frame: Frame, values: list[AbstractValue]
) -> None:
    """The items of a comprehension, loop by loop."""
    if not generators:
        values.append(machine.evaluate(node.elt, frame))
        return
    first, rest = generators[0], generators[1:]
    for item in iterations(machine, machine.evaluate(first.iter, frame), at_least=2):
        bind(machine, first.target, item, frame)
        tests = [truth(machine, machine.evaluate(each, frame)) for each in first.ifs]
        if False not in tests:
            collect(machine, node, rest, frame, values)
