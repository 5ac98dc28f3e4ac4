"""Evaluation of names, attributes and calls."""

from __future__ import annotations

import ast
from typing import Any

from bridle_audit.static.constants.folding import UNKNOWN
from bridle_audit.static.interpreter.abstract_values import (
    TOP,
    AbstractValue,
    Arguments,
    Const,
    Container,
    Frame,
    Named,
    TupleValue,
)
from bridle_audit.static.interpreter.iteration import items_of
from bridle_audit.static.interpreter.keras import compile_model
from bridle_audit.static.interpreter.machine import Machine, expression
from bridle_audit.static.interpreter.unpacking import constant_value


@expression.register
def of_name(node: ast.Name, machine: Machine, frame: Frame) -> AbstractValue:
    """A variable, or what was imported."""
    value = frame.find(node.id)
    if value is not None:
        return value
    if node.id == "__name__":
        return Const("__main__")
    name = machine.syntax.resolve(node)
    return Named(name) if name is not None else constant_value(machine, node)


@expression.register
def of_attribute(node: ast.Attribute, machine: Machine, frame: Frame) -> AbstractValue:
    """``a.b``."""
    if is_unbound(node, frame):
        name = machine.syntax.resolve(node)
        return Named(name) if name is not None else constant_value(machine, node)
    value = machine.attribute(machine.evaluate(node.value, frame), node.attr, node)
    return constant_value(machine, node) if value is TOP else value


def is_unbound(node: ast.expr, frame: Frame) -> bool:
    """Return True if no frame binds the first part of a dotted name, which is then the module's or a library's."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and frame.find(node.id) is None


@expression.register
def of_call(node: ast.Call, machine: Machine, frame: Frame) -> AbstractValue:
    """``f(x)``, ``a.f(x)``."""
    arguments = evaluate_arguments(machine, node, frame)
    if isinstance(node.func, ast.Attribute) and not (
        is_unbound(node.func, frame) and machine.syntax.resolve(node.func)
    ):
        receiver = machine.evaluate(node.func.value, frame)
        if node.func.attr == "compile" and "loss" in arguments.keywords:
            compile_model(machine, receiver, arguments, frame)
            return Const(None)
        return machine.method(receiver, node.func.attr, arguments, frame)
    return machine.invoke(machine.evaluate(node.func, frame), arguments, frame)


def evaluate_arguments(machine: Machine, node: ast.Call, frame: Frame) -> Arguments:
    """Evaluate the arguments of a call."""
    positional: list[AbstractValue] = []
    known: dict[ast.expr, Any] = {}
    is_open = False
    for each in node.args:
        value = machine.evaluate(each.value if isinstance(each, ast.Starred) else each, frame)
        items = items_of(machine, value) if isinstance(each, ast.Starred) else [value]
        is_open = is_open or items is None
        positional += items if items is not None and not is_open else []
        known[each] = to_python(machine, value)
    keywords: dict[str, AbstractValue] = {}
    for keyword in node.keywords:
        value = machine.evaluate(keyword.value, frame)
        known[keyword.value] = to_python(machine, value)
        if keyword.arg is not None:
            keywords[keyword.arg] = value
        else:
            is_open = not isinstance(value, Container) or is_open
            pairs = machine.pairs(value) if isinstance(value, Container) else ()
            keywords.update((key, each) for key, each in pairs if isinstance(key, str))
    return Arguments(node, tuple(positional), keywords, known, is_open)


def to_python(machine: Machine, value: AbstractValue) -> Any:
    """A value as a Python object, or UNKNOWN."""
    if isinstance(value, Const):
        return value.value
    items = items_of(machine, value) if not isinstance(value, Container) or value.kind == "list" else None
    values = [to_python(machine, each) for each in items or ()]
    if items is None or any(each is UNKNOWN for each in values):
        return UNKNOWN
    return tuple(values) if isinstance(value, TupleValue) else values
