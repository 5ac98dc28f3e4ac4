"""Joins of control flow, after an undecided ``if``, and of data that come by several paths."""

from __future__ import annotations

import ast
from dataclasses import replace

from bridle_audit.static.interpreter.flow import START, Op, Ops, mystery
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
    Items,
    Layer,
    Mode,
    Named,
    Tensor,
)
from bridle_audit.static.syntax import Syntax

CALLED = (Layer, Instance, Container, Function, Class, Named)  # what a choice may be between
NOTHING = Const(None)
ALONE = {"add": "shift", "multiply": "scale", "product": "linear"}  # of two operands, where only one is data
SHORTCUT = 2  # how many layers a shortcut may have: a convolution and a norm


def shared(paths: list[Ops]) -> Ops:
    """Return the longest common prefix of several paths."""
    first = paths[0]
    length = min(map(len, paths))
    for number in range(length):
        if any(each[number] is not first[number] for each in paths):
            return first[:number]
    return first[:length]


def joined(syntax: Syntax, node: ast.AST, one: AbstractValue, other: AbstractValue) -> AbstractValue:
    """Join the values that a variable has after two branches."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return alternatives(syntax, node, one, other)
    if isinstance(one, Const) and isinstance(other, Const) and type(one.value) is type(other.value):
        return one if one.value == other.value else TOP
    if isinstance(one, Group) and isinstance(other, Group) and len(one.items) == len(other.items):
        return Group(tuple(joined(syntax, node, a, b) for a, b in zip(one.items, other.items, strict=True)))
    if isinstance(one, Items) and isinstance(other, Items):
        return joined_items(syntax, node, one, other)
    is_same = one is other or (isinstance(one, Mode) and isinstance(other, Mode))
    return one if is_same else chosen(one, other)


def chosen(one: AbstractValue, other: AbstractValue) -> AbstractValue:
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


def joined_items(syntax: Syntax, node: ast.AST, one: Items, other: Items) -> AbstractValue:
    """A list's items: those that only one way has appended may be missing."""
    longer, shorter = sorted((one.pairs, other.pairs), key=len, reverse=True)
    if any(a[0] != b[0] for a, b in zip(longer, shorter, strict=False)):
        return Items(())
    pairs = [(a[0], joined(syntax, node, a[1], b[1])) for a, b in zip(longer, shorter, strict=False)]
    return Items((*pairs, *((key, chosen(each, NOTHING)) for key, each in longer[len(shorter) :])))


def alternatives(syntax: Syntax, node: ast.AST, one: Tensor, other: Tensor) -> Tensor:
    """Data that went one of two ways: what both share, then an op of which nothing is known but the two."""
    network = one.network if one.network is other.network else None
    if len(one.ops) == len(other.ops) and all(a is b for a, b in zip(one.ops, other.ops, strict=True)):
        return Tensor(one.ops, network)
    common = shared([one.ops, other.ops])
    return Tensor((*common, mystery(syntax, node, one.ops[len(common) :], other.ops[len(common) :])), network)


def met(tensors: list[Tensor], op: Op) -> Tensor:
    """Data of several paths that become one: the longest is kept, of a gate the shortest; the others are branches."""
    paths = sorted((each.ops for each in tensors), key=len)
    followed = [each for each in paths if not (each and each[0].name == START)]
    if len(followed) == 1 and len(paths) > 1:  # the others are no data of the network's: masks, positions, ...
        return Tensor((*followed[0], alone(op)), tensors[0].network)
    paths = followed or paths
    common = len(shared(paths))
    shortest, longest = paths[0], paths[-1]
    kind, main = op.kind, longest
    if op.kind == "add" and len(paths) == 2 and common < len(longest) and len(shortest) - common <= SHORTCUT:
        kind = "residual_add"
    elif op.kind == "multiply" and len(paths) == 2 and common == len(shortest) < len(longest):
        kind, main = "gate", shortest
    others = tuple(each[common:] for each in paths if each is not main)
    network = next((each.network for each in tensors if each.network is not None), None)
    return Tensor((*main, replace(op, kind=kind, branches=others)), network)


def alone(op: Op) -> Op:
    """An op of two operands where only one is data: ``x + 1`` shifts, ``x * 2`` scales, ``x @ w`` is linear."""
    return replace(op, kind=ALONE.get(op.kind, op.kind))
