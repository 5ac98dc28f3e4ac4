"""Joins of control flow, after an undecided ``if``, and of data that come by several paths."""

from __future__ import annotations

import ast
from dataclasses import replace

from bridle_audit.static.interpreter.abstract_values import (
    TOP,
    AbstractValue,
    Choice,
    Class,
    Const,
    Container,
    ContainerItems,
    Function,
    Instance,
    LayerValue,
    Mode,
    Named,
    Tensor,
    TupleValue,
)
from bridle_audit.static.interpreter.flow import START, Op, Ops, unknown_op
from bridle_audit.static.syntax import Syntax

__all__ = ["common_prefix", "join", "merge_paths", "with_one_operand"]

CALLED = (LayerValue, Instance, Container, Function, Class, Named)  # what a choice may be between
NONE = Const(None)
ONE_OPERAND_KINDS = {
    "add": "shift",
    "multiply": "scale",
    "product": "linear",
}  # of two operands, where only one is data
SHORTCUT = 2  # how many layers a shortcut may have: a convolution and a norm


def common_prefix(paths: list[Ops]) -> Ops:
    """Return the longest common prefix of several paths."""
    first = paths[0]
    length = min(map(len, paths))
    for number in range(length):
        if any(each[number] is not first[number] for each in paths):
            return first[:number]
    return first[:length]


def join(syntax: Syntax, node: ast.AST, one: AbstractValue, other: AbstractValue) -> AbstractValue:
    """Join the values that a variable has after two branches."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return join_tensors(syntax, node, one, other)
    if isinstance(one, Const) and isinstance(other, Const) and type(one.value) is type(other.value):
        return one if one.value == other.value else TOP
    if isinstance(one, TupleValue) and isinstance(other, TupleValue) and len(one.items) == len(other.items):
        return TupleValue(tuple(join(syntax, node, a, b) for a, b in zip(one.items, other.items, strict=True)))
    if isinstance(one, ContainerItems) and isinstance(other, ContainerItems):
        return join_items(syntax, node, one, other)
    is_same = one is other or (isinstance(one, Mode) and isinstance(other, Mode))
    return one if is_same else join_callables(one, other)


def join_callables(one: AbstractValue, other: AbstractValue) -> AbstractValue:
    """A choice between values that can be called, or none; else nothing is known."""
    options: list[AbstractValue] = []
    for each in (one, other):
        options += each.options if isinstance(each, Choice) else [each]
    options = list(dict.fromkeys(options))
    nothing = [each for each in options if isinstance(each, Const) and each.value is None]
    callable_ones = [each for each in options if isinstance(each, CALLED)]
    if not callable_ones or len(callable_ones) + len(nothing) < len(options) or len(options) > 8:
        return TOP
    return Choice((*callable_ones, *nothing[:1]))


def join_items(syntax: Syntax, node: ast.AST, one: ContainerItems, other: ContainerItems) -> AbstractValue:
    """A list's items: those that only one way has appended may be missing."""
    longer, shorter = sorted((one.pairs, other.pairs), key=len, reverse=True)
    if any(a[0] != b[0] for a, b in zip(longer, shorter, strict=False)):
        return ContainerItems(())
    pairs = [(a[0], join(syntax, node, a[1], b[1])) for a, b in zip(longer, shorter, strict=False)]
    return ContainerItems((*pairs, *((key, join_callables(each, NONE)) for key, each in longer[len(shorter) :])))


def join_tensors(syntax: Syntax, node: ast.AST, one: Tensor, other: Tensor) -> Tensor:
    """Data that went one of two ways: what both share, then an op of which nothing is known but the two."""
    network = one.network if one.network is other.network else None
    if len(one.ops) == len(other.ops) and all(a is b for a, b in zip(one.ops, other.ops, strict=True)):
        return Tensor(one.ops, network)
    common = common_prefix([one.ops, other.ops])
    return Tensor((*common, unknown_op(syntax, node, one.ops[len(common) :], other.ops[len(common) :])), network)


def merge_paths(tensors: list[Tensor], op: Op) -> Tensor:
    """Data of several paths that become one: the longest is kept, of a gate the shortest; the others are branches."""
    paths = sorted((each.ops for each in tensors), key=len)
    followed = [each for each in paths if not (each and each[0].name == START)]
    if len(followed) == 1 and len(paths) > 1:  # the others are no data of the network's: masks, positions, ...
        return Tensor((*followed[0], with_one_operand(op)), tensors[0].network)
    paths = followed or paths
    common = len(common_prefix(paths))
    shortest, longest = paths[0], paths[-1]
    kind, main = op.kind, longest
    if op.kind == "add" and len(paths) == 2 and common < len(longest) and len(shortest) - common <= SHORTCUT:
        kind = "residual_add"
    elif op.kind == "multiply" and len(paths) == 2 and common == len(shortest) < len(longest):
        kind, main = "gate", shortest
    others = tuple(each[common:] for each in paths if each is not main)
    network = next((each.network for each in tensors if each.network is not None), None)
    return Tensor((*main, replace(op, kind=kind, branches=others)), network)


def with_one_operand(op: Op) -> Op:
    """An op of two operands where only one is data: ``x + 1`` shifts, ``x * 2`` scales, ``x @ w`` is linear."""
    return replace(op, kind=ONE_OPERAND_KINDS.get(op.kind, op.kind))
