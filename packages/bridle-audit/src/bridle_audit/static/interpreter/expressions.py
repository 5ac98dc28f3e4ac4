"""Evaluation of expressions to abstract values."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from bridle_audit.static.constants.folding import UNKNOWN, compare, compute
from bridle_audit.static.interpreter.abstract_values import (
    TOP,
    AbstractValue,
    Const,
    Container,
    Frame,
    Function,
    Tensor,
    TupleValue,
)
from bridle_audit.static.interpreter.iteration import items_of
from bridle_audit.static.interpreter.machine import Machine, expression
from bridle_audit.static.interpreter.operators import apply_operator, is_none, truth
from bridle_audit.static.interpreter.unpacking import SCALARS, bind

__all__ = ["apply_binary"]


@expression.register
def of_constant(node: ast.Constant, machine: Machine, frame: Frame) -> AbstractValue:
    """A literal."""
    del machine, frame
    return Const(node.value) if isinstance(node.value, SCALARS) else TOP


@expression.register
def of_binary(node: ast.BinOp, machine: Machine, frame: Frame) -> AbstractValue:
    """``a + b``."""
    left, right = machine.evaluate(node.left, frame), machine.evaluate(node.right, frame)
    return apply_binary(machine, node, node.op, left, right)


def apply_binary(
    machine: Machine, node: ast.AST, sign: ast.operator, left: AbstractValue, right: AbstractValue
) -> AbstractValue:
    """Apply a binary operator to two values."""
    if isinstance(left, Const) and isinstance(right, Const):
        value = compute(type(sign), left.value, right.value)
        return Const(value) if value is not UNKNOWN else TOP
    if isinstance(left, Container) and isinstance(sign, ast.Add | ast.Mult):
        return concatenate(machine, node, left, right)
    if isinstance(sign, ast.Add) and (isinstance(left, TupleValue) or isinstance(right, TupleValue)):
        both = [each.items if isinstance(each, TupleValue) else (each,) for each in (left, right)]
        return TupleValue(both[0] + both[1])
    return apply_operator(machine, node, sign, left, right)


def concatenate(machine: Machine, node: ast.AST, left: Container, right: AbstractValue) -> AbstractValue:
    """A list with another one behind it, or several times."""
    mine = [each for _, each in machine.pairs(left)]
    if isinstance(right, Const) and isinstance(right.value, int):
        return machine.container("list", node, mine * max(0, min(right.value, 4)))
    others = items_of(machine, right)
    return machine.container("list", node, [*mine, *others]) if others is not None else TOP


@expression.register
def of_unary(node: ast.UnaryOp, machine: Machine, frame: Frame) -> AbstractValue:
    """``-a``, ``not a``."""
    operand = machine.evaluate(node.operand, frame)
    if isinstance(node.op, ast.Not):
        known = truth(machine, operand)
        return TOP if known is None else Const(not known)
    if isinstance(operand, Tensor):
        return apply_operator(machine, node, ast.Mult(), operand, TOP)
    is_minus = isinstance(node.op, ast.USub) and isinstance(operand, Const)
    value = compute(ast.Sub, 0, operand.value) if is_minus and isinstance(operand, Const) else UNKNOWN
    return Const(value) if value is not UNKNOWN else TOP


@expression.register
def of_compare(node: ast.Compare, machine: Machine, frame: Frame) -> AbstractValue:
    """``a < b``, ``a is None``."""
    left, rights = machine.evaluate(node.left, frame), [machine.evaluate(each, frame) for each in node.comparators]
    if len(rights) > 1:
        return TOP
    right, sign = rights[0], node.ops[0]
    if isinstance(sign, ast.Is | ast.IsNot) and isinstance(right, Const) and right.value is None:
        known = is_none(left)
        return TOP if known is None else Const(known is isinstance(sign, ast.Is))
    if isinstance(sign, ast.In | ast.NotIn) and isinstance(left, Const):
        items = items_of(machine, right)
        if items is None or not all(isinstance(each, Const) for each in items):
            return TOP
        return Const(
            (left.value in [each.value for each in items if isinstance(each, Const)]) is isinstance(sign, ast.In)
        )
    if not (isinstance(left, Const) and isinstance(right, Const)):
        return TOP
    value = compare(type(sign), left.value, right.value)
    return Const(value) if value is not UNKNOWN else TOP


@expression.register
def of_boolean(node: ast.BoolOp, machine: Machine, frame: Frame) -> AbstractValue:
    """``a and b``, ``a or b``."""
    values = [machine.evaluate(each, frame) for each in node.values]
    known = [truth(machine, each) for each in values]
    ends = isinstance(node.op, ast.Or)  # the truth value at which it ends
    for value, each in zip(values[:-1], known[:-1], strict=True):
        if each is ends:
            return value
        if each is None:
            return Const(ends) if any(other is ends for other in known) and all_const(values) else TOP
    return values[-1]


def all_const(values: list[AbstractValue]) -> bool:
    """Return True if there are no layers or data among the values, so that only the truth value counts."""
    return all(type(each) in (Const, AbstractValue) for each in values)


@expression.register
def of_choice(node: ast.IfExp, machine: Machine, frame: Frame) -> AbstractValue:
    """``a if test else b``."""
    known = truth(machine, machine.evaluate(node.test, frame))
    if known is not None:
        return machine.evaluate(node.body if known else node.orelse, frame)
    results: list[AbstractValue] = []
    ways = [lambda each=each: results.append(machine.evaluate(each, frame)) for each in (node.body, node.orelse)]
    machine.fork(frame, node, *ways)
    return machine.joined(node, results[0], results[1])


@expression.register
def of_tuple(node: ast.Tuple, machine: Machine, frame: Frame) -> AbstractValue:
    """``(a, b)``."""
    return TupleValue(tuple(evaluate_items(machine, node.elts, frame)))


@expression.register
def of_list(node: ast.List, machine: Machine, frame: Frame) -> AbstractValue:
    """``[a, *b]``."""
    return machine.container("list", node, evaluate_items(machine, node.elts, frame))


def evaluate_items(machine: Machine, nodes: Iterable[ast.expr], frame: Frame) -> list[AbstractValue]:
    """Values one after another, with those of ``*lists``; of a list that is not known there is one."""
    values: list[AbstractValue] = []
    for node in nodes:
        value = machine.evaluate(node.value if isinstance(node, ast.Starred) else node, frame)
        items = items_of(machine, value) if isinstance(node, ast.Starred) else [value]
        values += items if items is not None else [TOP]
    return values


@expression.register
def of_dict(node: ast.Dict, machine: Machine, frame: Frame) -> AbstractValue:
    """``{"a": b}``."""
    keys = [machine.evaluate(each, frame) if each is not None else TOP for each in node.keys]
    values = [machine.evaluate(each, frame) for each in node.values]
    plain = [each.value if isinstance(each, Const) else each for each in keys]
    return machine.container("dict", node, values, plain)


@expression.register
def of_lambda(node: ast.Lambda, machine: Machine, frame: Frame) -> AbstractValue:
    """``lambda x: y``."""
    made = Function(node, frame)
    machine.definition(made)
    return made


@expression.register
def of_text(node: ast.JoinedStr, machine: Machine, frame: Frame) -> AbstractValue:
    """``f"fc{i}"``."""
    words: list[str] = []
    for each in node.values:
        value = machine.evaluate(each.value if isinstance(each, ast.FormattedValue) else each, frame)
        if not isinstance(value, Const) or (isinstance(each, ast.FormattedValue) and each.format_spec):
            return TOP
        words.append(str(value.value))
    return Const("".join(words))


@expression.register
def of_walrus(node: ast.NamedExpr, machine: Machine, frame: Frame) -> AbstractValue:
    """``(name := value)``."""
    value = machine.evaluate(node.value, frame)
    bind(machine, node.target, value, frame)
    return value


@expression.register
def of_inner(node: ast.Await, machine: Machine, frame: Frame) -> AbstractValue:
    """``await f(x)``."""
    return machine.evaluate(node.value, frame)
