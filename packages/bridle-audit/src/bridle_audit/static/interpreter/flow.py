"""An op: one thing that is done to data on their way through a network."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridle_audit.findings import Location
from bridle_audit.static.facts.calls import Call
from bridle_audit.static.libraries.kinds import SHAPES, UNKNOWN_KIND
from bridle_audit.static.syntax import Syntax

__all__ = ["START", "Op", "Ops", "last_value_changing", "ops_before", "unknown_op", "unknown_origin", "value_changing"]


@dataclass(frozen=True, eq=False)
class Op:
    """A layer, function, method or operator that data go through."""

    syntax: Syntax
    name: str  # "torch.nn.Linear", "torch.nn.functional.relu", "method:relu", "operator:+", or "?"
    kind: str  # "linear", "activation:relu", "dropout", ..., or "?"
    node: ast.AST  # where it is written: a layer's constructor, a function's call
    call: Call | None = None  # the same as a call; None for operators and "?"
    is_layer: bool = False  # whether it was constructed
    branches: tuple[tuple[Op, ...], ...] = ()  # the other paths that meet here, or the alternatives of an ``if``

    @property
    def location(self) -> Location:
        """The location of the op in the file."""
        return self.syntax.location(self.node)

    def value(self, position: int | None, keyword: str | None = None, default: object = None) -> Any:
        """An argument of its call, as in this network: ``op.value(0, "p", 0.5)``."""
        return self.call.value(position, keyword, default) if self.call else default

    def number(self, position: int | None, keyword: str | None = None, default: float | None = None) -> float | None:
        """Return the argument if it is a number, else None."""
        return self.call.number(position, keyword, default) if self.call else default

    def __repr__(self) -> str:
        return self.name if self.kind == UNKNOWN_KIND else f"{self.kind} ({self.name})"


Ops = tuple[Op, ...]
START = "? (start)"  # the name of an op before which nothing is known


def value_changing(ops: Sequence[Op]) -> list[Op]:
    """Return the ops that change values, without reshapes and selections."""
    return [op for op in ops if op.kind not in SHAPES]


def last_value_changing(ops: Sequence[Op]) -> Op | None:
    """The last op that changes values."""
    return next(reversed(value_changing(ops)), None)


def ops_before(ops: Sequence[Op], op: Op) -> Ops:
    """Return the ops before an op."""
    return tuple(ops[: list(ops).index(op)])


def unknown_origin(syntax: Syntax, node: ast.AST) -> Op:
    """Return an op that stands for the unknown origin of data."""
    return Op(syntax, START, UNKNOWN_KIND, node)


def unknown_op(syntax: Syntax, node: ast.AST, *branches: Ops) -> Op:
    """An op of which nothing is known."""
    return Op(syntax, UNKNOWN_KIND, UNKNOWN_KIND, node, branches=branches)
