"""The abstract values: what an expression may stand for while a program is followed (data, layers, objects, functions).

A program is followed as it would run, but with these instead of values. They do not change: what can change, the
attributes of an object and the items of a list, stands on the heap under the value's number. TOP is any value.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bridle_audit.static.interpreter.flow import Ops
from bridle_audit.static.scopes.index import Function as Definition

__all__ = [
    "TOP",
    "AbstractValue",
    "Arguments",
    "Choice",
    "Class",
    "Const",
    "Container",
    "ContainerItems",
    "Frame",
    "Function",
    "Instance",
    "LayerValue",
    "Mode",
    "Named",
    "Partial",
    "SuperValue",
    "Tensor",
    "TupleValue",
]


@dataclass(frozen=True, eq=False)
class AbstractValue:
    """Anything: a value of which nothing is known."""


TOP = AbstractValue()


@dataclass(frozen=True, eq=False)
class Const(AbstractValue):
    """A number, text, truth value or None."""

    value: Any


@dataclass(frozen=True, eq=False)
class Mode(AbstractValue):
    """``self.training``: true as long as networks are followed, but no constant."""


@dataclass(frozen=True, eq=False)
class Tensor(AbstractValue):
    """Data, and what they went through."""

    ops: Ops
    network: AbstractValue | None = None  # whose output this is


@dataclass(frozen=True, eq=False)
class LayerValue(AbstractValue):
    """A layer, loss, model or whatever else was constructed of a library's class."""

    number: int
    ops: Ops  # what data go through when it is called: itself, and with Keras the activation that it has
    is_network: bool = False  # whether it is all of a functional model of Keras


@dataclass(frozen=True, eq=False)
class Named(AbstractValue):
    """A library's class, function or module, by its name."""

    name: str


@dataclass(frozen=True, eq=False)
class Function(AbstractValue):
    """A function of the file, with the variables around it; a method has what it is called on."""

    node: Definition | ast.Lambda
    frame: Frame
    receiver: AbstractValue | None = None
    owner: ast.ClassDef | None = None


@dataclass(frozen=True, eq=False)
class Class(AbstractValue):
    """A class of the file."""

    node: ast.ClassDef
    frame: Frame


@dataclass(frozen=True, eq=False)
class Instance(AbstractValue):
    """An object of a class of the file."""

    number: int
    of: Class


@dataclass(frozen=True, eq=False)
class Container(AbstractValue):
    """A list, dictionary, ``nn.Sequential``, ... ; its items stand on the heap."""

    number: int
    kind: str  # "list", "dict" or "sequential"
    node: ast.AST  # where it is written


@dataclass(frozen=True, eq=False)
class ContainerItems(AbstractValue):
    """The items of a container, on the heap."""

    pairs: tuple[tuple[Any, AbstractValue], ...]  # keys, or numbers, and values


@dataclass(frozen=True, eq=False)
class TupleValue(AbstractValue):
    """A tuple."""

    items: tuple[AbstractValue, ...]


@dataclass(frozen=True, eq=False)
class Choice(AbstractValue):
    """One of several values; which one was not decided."""

    options: tuple[AbstractValue, ...]


@dataclass(frozen=True, eq=False)
class SuperValue(AbstractValue):
    """``super()``: an object, as the classes above one of its classes see it."""

    instance: AbstractValue
    owner: ast.ClassDef


@dataclass(frozen=True, eq=False)
class Partial(AbstractValue):
    """``functools.partial``: what is called, and what it is given in advance."""

    callee: AbstractValue
    arguments: Arguments


@dataclass(frozen=True, eq=False)
class Arguments:
    """The arguments of a call, as values."""

    node: ast.Call
    positional: tuple[AbstractValue, ...] = ()
    keywords: dict[str, AbstractValue] = field(default_factory=dict)
    known: dict[ast.expr, Any] = field(default_factory=dict)  # the values of those that are constants
    is_open: bool = False  # whether there may be others

    def get(self, position: int, *names: str) -> AbstractValue | None:
        """The argument at a position or under one of some names; None where there is none."""
        if position < len(self.positional):
            return self.positional[position]
        return next((self.keywords[name] for name in names if name in self.keywords), None)

    def everything(self) -> Iterator[AbstractValue]:
        """All arguments."""
        yield from self.positional
        yield from self.keywords.values()

    def tensors(self) -> list[Tensor]:
        """Return the arguments that are data."""
        return [each for each in self.everything() if isinstance(each, Tensor)]


@dataclass(eq=False)
class Frame:
    """The variables of a function, or of the module, while it is followed."""

    names: dict[str, AbstractValue] = field(default_factory=dict)
    outer: Frame | None = None  # the frame of the function around it
    owner: ast.ClassDef | None = None  # of a method
    receiver: AbstractValue | None = None
    no_grad: bool = False
    running: bool = True  # false after a return, raise, break or continue
    returns: list[AbstractValue] = field(default_factory=list)
    elsewhere: dict[str, Frame] = field(default_factory=dict)  # names that are declared global or nonlocal

    def bind(self, name: str, value: AbstractValue) -> None:
        """Let a name stand for a value."""
        self.elsewhere.get(name, self).names[name] = value

    def find(self, name: str) -> AbstractValue | None:
        """Look a name up in this frame and those around it; None if none binds it."""
        frame: Frame | None = self
        while frame is not None:
            if name in frame.names:
                return frame.names[name]
            frame = frame.outer
        return None
