"""The interpreter's state (heap, limits), and the five generic functions through which its parts call each other.

The five at the end are generic: the modules above register what they do with each class of syntax tree or value, by the
type of the first parameter, and call each other through :class:`Machine` alone.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from functools import singledispatch
from typing import Any

from bridle_audit.static.interpreter.abstract_values import (
    TOP,
    AbstractValue,
    Arguments,
    Class,
    Container,
    ContainerItems,
    Frame,
    Instance,
    Tensor,
)
from bridle_audit.static.interpreter.flow import Op, unknown_op, unknown_origin
from bridle_audit.static.interpreter.joins import join
from bridle_audit.static.interpreter.trace import ProgramTrace
from bridle_audit.static.syntax import Syntax

__all__ = ["Exhausted", "Machine", "application", "attribute", "expression", "method", "statement"]

CALLS_DEEP = 14  # how many calls of the file's own functions are followed into each other


class Exhausted(Exception):
    """A program would take too long to follow."""


class Machine:
    """The state of following one program, and the doors through which its parts call each other."""

    def __init__(self, syntax: Syntax) -> None:
        self.syntax = syntax
        self.trace = ProgramTrace()
        self.root = Frame()  # of the module
        self.heap: dict[tuple[int, str], AbstractValue] = {}
        self.numbers = 0
        self.left = 0  # how many more expressions may be evaluated
        self.stack: list[ast.AST] = []  # the functions that are being followed
        self.forwards: list[AbstractValue] = []  # the networks that are being followed, the whole first
        self.entered: set[ast.AST] = set()
        self.defined: list[AbstractValue] = []  # functions and classes, as they are met
        self.instances: dict[ast.ClassDef, list[Instance]] = {}  # that the program makes

    def evaluate(self, node: ast.expr, frame: Frame) -> AbstractValue:
        """Evaluate an expression."""
        self.spend()
        return expression(node, self, frame)

    def execute(self, body: Iterable[ast.stmt], frame: Frame) -> None:
        """Follow statements until one leaves."""
        for node in body:
            if not frame.running:
                return
            self.spend()
            try:
                statement(node, self, frame)
            except RecursionError:  # it is nested too deeply to be followed: the next may not be
                continue

    def invoke(self, callee: AbstractValue, arguments: Arguments, frame: Frame) -> AbstractValue:
        """Call a value, and return the result."""
        self.spend()
        return application(callee, self, arguments, frame)

    def attribute(self, value: AbstractValue, name: str, node: ast.AST) -> AbstractValue:
        """Return an attribute of a value."""
        return attribute(value, self, name, node)

    def method(self, receiver: AbstractValue, name: str, arguments: Arguments, frame: Frame) -> AbstractValue:
        """Call a method of a value, and return the result."""
        self.spend()
        return method(receiver, self, name, arguments, frame)

    def unknown_call(self, arguments: Arguments) -> AbstractValue:
        """Return the result of an unknown callee: the first data among the arguments, changed in an unknown way."""
        tensors = arguments.tensors()
        return self.through(tensors[0], unknown_op(self.syntax, arguments.node)) if tensors else TOP

    def joined(self, node: ast.AST, one: AbstractValue, other: AbstractValue) -> AbstractValue:
        """Join two values, of which either may hold."""
        return join(self.syntax, node, one, other)

    def through(self, tensor: Tensor, *ops: Op) -> Tensor:
        """Data that have gone through some more."""
        return Tensor((*tensor.ops, *ops), tensor.network)

    def fresh(self, node: ast.AST, *ops: Op) -> Tensor:
        """Data of which it is not known where they come from."""
        return Tensor((unknown_origin(self.syntax, node), *ops))

    def selected(self, tensor: Tensor, node: ast.AST) -> Tensor:
        """A part of data."""
        return self.through(tensor, Op(self.syntax, "operator:[]", "select", node))

    def spend(self, amount: int = 1) -> None:
        """Count what is done; ``Exhausted`` when it is too much."""
        self.left -= amount
        if self.left < 0:
            raise Exhausted

    def number(self) -> int:
        """A new number for what has something on the heap."""
        self.numbers += 1
        return self.numbers

    def container(
        self, kind: str, node: ast.AST, values: Iterable[AbstractValue], keys: Iterable[Any] | None = None
    ) -> Container:
        """A new list, dictionary or sequence of layers."""
        made = Container(self.number(), kind, node)
        values = tuple(values)
        self.spend(len(values))
        self.fill(made, zip(keys if keys is not None else range(len(values)), values, strict=True))
        return made

    def fill(self, container: Container, pairs: Iterable[tuple[Any, AbstractValue]]) -> None:
        """Put other items into a container; those of a list are numbered anew."""
        pairs = tuple(pairs)
        if container.kind == "list":
            pairs = tuple((number, each) for number, (_, each) in enumerate(pairs))
        self.heap[container.number, ""] = ContainerItems(pairs)

    def pairs(self, container: Container) -> tuple[tuple[Any, AbstractValue], ...]:
        """The items of a container with their keys."""
        items = self.heap.get((container.number, ""))
        return items.pairs if isinstance(items, ContainerItems) else ()

    def fork(self, frame: Frame, node: ast.AST, *ways: Callable[[], None]) -> None:
        """Follow several ways from here, and go on with what may be true after any of them."""
        before, ends = (dict(frame.names), dict(self.heap)), []
        self.spend(len(self.heap) // 32)
        for way in ways:
            frame.names, self.heap = dict(before[0]), dict(before[1])
            way()
            if frame.running:
                ends.append((frame.names, self.heap))
            frame.running = True
        frame.running = bool(ends)
        if ends:
            frame.names, self.heap = ends[0]
        for names, heap in ends[1:]:
            self.merge(frame.names, names, node)
            self.merge(self.heap, heap, node)

    def merge(self, into: dict[Any, AbstractValue], other: dict[Any, AbstractValue], node: ast.AST) -> None:
        """Join what two ways have left; what only one of them knows is taken from it."""
        get = into.get
        for key, value in [(key, value) for key, value in other.items() if get(key) is not value]:
            mine = get(key)
            into[key] = join(self.syntax, node, mine, value) if mine is not None else value

    def is_too_deep(self, node: ast.AST) -> bool:
        """Return True if a call is not to be followed: recursive, or nested too deeply."""
        return len(self.stack) >= CALLS_DEEP or self.stack.count(node) > 1

    def definition(self, value: AbstractValue) -> None:
        """Take down that a function or class was defined."""
        self.defined.append(value)

    def made(self, instance: Instance, of: Class) -> None:
        """Take down an object that the program makes."""
        self.instances.setdefault(of.node, []).append(instance)


@singledispatch
def expression(node: ast.expr, machine: Machine, frame: Frame) -> AbstractValue:
    """Evaluate an expression; TOP for syntax that is not supported."""
    del node, machine, frame
    return TOP


@singledispatch
def statement(node: ast.stmt, machine: Machine, frame: Frame) -> None:
    """Execute a statement; nothing happens for syntax that is not supported."""
    del node, machine, frame


@singledispatch
def application(callee: AbstractValue, machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """Apply a value to arguments, and return the result."""
    del callee, frame
    return machine.unknown_call(arguments)


@singledispatch
def attribute(value: AbstractValue, machine: Machine, name: str, node: ast.AST) -> AbstractValue:
    """Return an attribute of a value; ``module`` of a wrapper is the wrapped value itself."""
    del machine, node
    return value if name == "module" else TOP


@singledispatch
def method(receiver: AbstractValue, machine: Machine, name: str, arguments: Arguments, frame: Frame) -> AbstractValue:
    """Call a method of a value, and return the result."""
    del receiver, name, frame
    return machine.unknown_call(arguments)
