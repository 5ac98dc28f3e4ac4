"""Operators on data, and the truth of values."""

from __future__ import annotations

import ast

from bridle_audit.static.interpreter.abstract_values import (
    TOP,
    AbstractValue,
    Choice,
    Class,
    Const,
    Container,
    Function,
    Instance,
    LayerValue,
    Mode,
    Named,
    Tensor,
    TupleValue,
)
from bridle_audit.static.interpreter.flow import Op
from bridle_audit.static.interpreter.joins import merge_paths, with_one_operand
from bridle_audit.static.interpreter.machine import Machine

__all__ = ["apply_operator", "is_none", "truth"]

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


def apply_operator(
    machine: Machine, node: ast.AST, sign: ast.operator, left: AbstractValue, right: AbstractValue
) -> AbstractValue:
    """Apply a binary operator to data."""
    name = SIGNS.get(type(sign), "?")
    tensors = [each for each in (left, right) if isinstance(each, Tensor)]
    if not tensors and name != "@":
        return TOP
    op = Op(machine.syntax, f"operator:{name}", KINDS.get(name, "other"), node)
    if not tensors:
        return machine.fresh(node, with_one_operand(op))
    return merge_paths(tensors, op) if len(tensors) == 2 else machine.through(tensors[0], with_one_operand(op))


def truth(machine: Machine, value: AbstractValue) -> bool | None:
    """Return the truth value of a value; None if it is not known."""
    if isinstance(value, Const):
        return bool(value.value)
    if isinstance(value, Container) and value.kind != "sequential":
        return bool(machine.pairs(value))
    return True if isinstance(value, Mode | LayerValue | Instance | Container | Function | Class | Named) else None


def is_none(value: AbstractValue) -> bool | None:
    """Return True if a value is None; None if that is not known."""
    if isinstance(value, Const):
        return value.value is None
    if isinstance(value, Choice):
        answers = {is_none(each) for each in value.options}
        return answers.pop() if len(answers) == 1 else None
    known = Tensor | LayerValue | Instance | Container | Function | Class | Named | TupleValue
    return False if isinstance(value, known) else None
