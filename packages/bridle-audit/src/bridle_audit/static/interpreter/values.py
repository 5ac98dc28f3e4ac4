"""What an expression may stand for while a program is followed: data on their way, layers, objects, functions, ...

A program is followed as it would run, but with these instead of values. Things do not change: what can change, the
attributes of an object and the items of a list, stands on the heap under the thing's number.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bridle_audit.static.interpreter.flow import Ops
from bridle_audit.static.scopes.index import Function as Definition


@dataclass(frozen=True, eq=False)
class Thing:
    """Anything: a thing of which nothing is known."""


ANYTHING = Thing()


@dataclass(frozen=True, eq=False)
class Const(Thing):
    """A number, text, truth value or None."""

    value: Any


@dataclass(frozen=True, eq=False)
class Mode(Thing):
    """``self.training``: true as long as networks are followed, but no constant."""


@dataclass(frozen=True, eq=False)
class Tensor(Thing):
    """Data, and what they went through."""

    ops: Ops
    network: Thing | None = None  # whose output this is


@dataclass(frozen=True, eq=False)
class Layer(Thing):
    """A layer, loss, model or whatever else was constructed of a library's class."""

    number: int
    ops: Ops  # what data go through when it is called: itself, and with Keras the activation that it has
    is_network: bool = False  # whether it is all of a functional model of Keras


@dataclass(frozen=True, eq=False)
class Named(Thing):
    """A library's class, function or module, by its name."""

    name: str


@dataclass(frozen=True, eq=False)
class Function(Thing):
    """A function of the file, with the variables around it; a method has what it is called on."""

    node: Definition | ast.Lambda
    frame: Frame
    receiver: Thing | None = None
    owner: ast.ClassDef | None = None


@dataclass(frozen=True, eq=False)
class Class(Thing):
    """A class of the file."""

    node: ast.ClassDef
    frame: Frame


@dataclass(frozen=True, eq=False)
class Instance(Thing):
    """An object of a class of the file."""

    number: int
    of: Class


@dataclass(frozen=True, eq=False)
class Container(Thing):
    """A list, dictionary, ``nn.Sequential``, ... ; its items stand on the heap."""

    number: int
    kind: str  # "list", "dict" or "sequential"
    node: ast.AST  # where it is written


@dataclass(frozen=True, eq=False)
class Items(Thing):
    """What a container holds, on the heap."""

    pairs: tuple[tuple[Any, Thing], ...]  # keys, or numbers, and things


@dataclass(frozen=True, eq=False)
class Group(Thing):
    """A tuple."""

    items: tuple[Thing, ...]


@dataclass(frozen=True, eq=False)
class Choice(Thing):
    """One of several things; which one was not decided."""

    options: tuple[Thing, ...]


@dataclass(frozen=True, eq=False)
class Above(Thing):
    """``super()``: an object, as the classes above one of its classes see it."""

    instance: Thing
    owner: ast.ClassDef


@dataclass(frozen=True, eq=False)
class Partial(Thing):
    """``functools.partial``: what is called, and what it is given in advance."""

    callee: Thing
    arguments: Arguments


@dataclass(frozen=True, eq=False)
class Arguments:
    """What a call gives."""

    node: ast.Call
    positional: tuple[Thing, ...] = ()
    keywords: dict[str, Thing] = field(default_factory=dict)
    known: dict[ast.expr, Any] = field(default_factory=dict)  # the values of those that are constants
    is_open: bool = False  # whether there may be others

    def get(self, position: int, *names: str) -> Thing | None:
        """The argument at a position or under one of some names; None where there is none."""
        if position < len(self.positional):
            return self.positional[position]
        return next((self.keywords[name] for name in names if name in self.keywords), None)

    def everything(self) -> Iterator[Thing]:
        """All arguments."""
        yield from self.positional
        yield from self.keywords.values()

    def tensors(self) -> list[Tensor]:
        """Those that are data on their way."""
        return [each for each in self.everything() if isinstance(each, Tensor)]


@dataclass(eq=False)
class Frame:
    """The variables of a function, or of the module, while it is followed."""

    names: dict[str, Thing] = field(default_factory=dict)
    outer: Frame | None = None  # the frame of the function around it
    owner: ast.ClassDef | None = None  # of a method
    receiver: Thing | None = None
    no_grad: bool = False
    running: bool = True  # false after a return, raise, break or continue
    returns: list[Thing] = field(default_factory=list)
    elsewhere: dict[str, Frame] = field(default_factory=dict)  # names that are declared global or nonlocal

    def bind(self, name: str, thing: Thing) -> None:
        """Let a name stand for a thing."""
        self.elsewhere.get(name, self).names[name] = thing

    def find(self, name: str) -> Thing | None:
        """What a name stands for; None where no frame knows it."""
        frame: Frame | None = self
        while frame is not None:
            if name in frame.names:
                return frame.names[name]
            frame = frame.outer
        return None
