"""Operators on data, and the truth of values."""

from __future__ import annotations

import ast

from bridle_audit.static.interpreter.flow import Op
from bridle_audit.static.interpreter.joins import alone, met
from bridle_audit.static.interpreter.machine import Machine
from bridle_audit.static.interpreter.values import (
    TOP,
    AbstractValue,
    Choice,
    Class,
    Const,
    Container,
    Function,
    Group,
    Instance,
    Layer,
    Mode,
    Named,
    Tensor,
)

SIGNS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.MatMult: "@",
}
KINDS = {"+": "add", "-": "add", "*": "multiply", "/": "multiply", "@": "product"}


def operated(
    machine: Machine, node: ast.AST, sign: ast.operator, left: AbstractValue, right: AbstractValue
) -> AbstractValue:
    """Apply a binary operator to data."""
    name = SIGNS.get(type(sign), "?")
    tensors = [each for each in (left, right) if isinstance(each, Tensor)]
    if not tensors and name != "@":
        return TOP
    op = Op(machine.syntax, f"operator:{name}", KINDS.get(name, "other"), node)
    if not tensors:
        return machine.fresh(node, alone(op))
    return met(tensors, op) if len(tensors) == 2 else machine.through(tensors[0], alone(op))


def truth(machine: Machine, value: AbstractValue) -> bool | None:
    """Return the truth value of a value; None if it is not known."""
    if isinstance(value, Const):
        return bool(value.value)
    if isinstance(value, Container) and value.kind != "sequential":
        return bool(machine.pairs(value))
    return True if isinstance(value, Mode | Layer | Instance | Container | Function | Class | Named) else None


def is_nothing(value: AbstractValue) -> bool | None:
    """Return True if a value is None; None if that is not known."""
    if isinstance(value, Const):
        return value.value is None
    if isinstance(value, Choice):
        answers = {is_nothing(each) for each in value.options}
        return answers.pop() if len(answers) == 1 else None
    known = Tensor | Layer | Instance | Container | Function | Class | Named | Group
    return False if isinstance(value, known) else None
