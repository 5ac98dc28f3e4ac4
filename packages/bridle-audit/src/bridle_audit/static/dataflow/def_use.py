"""Def-use chains of one value: through arithmetic, variables, containers and the functions of a file."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from typing import NamedTuple

from bridle_audit.static.dataflow.weights import calls_of
from bridle_audit.static.facts.classes import FORWARDS
from bridle_audit.static.scopes.index import Function, Loop, defaults
from bridle_audit.static.scopes.resolution import scope_of
from bridle_audit.static.syntax import Syntax

__all__ = ["RETURNED", "DefUse", "Step", "Use", "UseChain", "end_chain"]

RETURNED = ("training_step", "compute_loss", "train_loss_fn", "closure")


@dataclass(frozen=True)
class UseChain:
    """A chain of uses: where a value goes, use by use, up to where it ends."""

    end: str  # "loss": a gradient is taken of it; "reported", "unused", or "unknown"
    node: ast.AST  # where it ended
    detached: ast.AST | None  # what cut it off on the way
    steps: tuple[Step, ...] = ()  # the arithmetic that it went through


class Step(NamedTuple):
    """One operation on the way: ``0.1 * value`` for the value."""

    node: ast.BinOp | ast.AugAssign
    operand: ast.expr  # the side on which the value came in

    @property
    def other(self) -> ast.expr:
        """The other side."""
        if isinstance(self.node, ast.AugAssign):
            return self.node.target
        return self.node.right if self.node.left is self.operand else self.node.left

    @property
    def is_sum(self) -> bool:
        """True if the operation is a sum or a difference."""
        return isinstance(self.node.op, ast.Add | ast.Sub)


@dataclass(frozen=True)
class Use:
    """One use of a value: where it is now, and what it went through on the way."""

    node: ast.expr
    detached: ast.AST | None = None
    steps: tuple[Step, ...] = ()


def end_chain(what: str, use: Use, node: ast.AST | None) -> UseChain:
    """The chain of a use that is the last."""
    return UseChain(what, node if node is not None else use.node, use.detached, use.steps)


class DefUse:
    """Follows values through one program."""

    def __init__(self, syntax: Syntax) -> None:
        self.syntax = syntax
        self.loads: dict[str, list[ast.Name]] = {}
        self.attributes: dict[str, list[ast.Attribute]] = {}
        for name in syntax.nodes(ast.Name):
            if isinstance(name.ctx, ast.Load):
                self.loads.setdefault(name.id, []).append(name)
        for attribute in syntax.nodes(ast.Attribute):
            if isinstance(attribute.ctx, ast.Load):
                self.attributes.setdefault(attribute.attr, []).append(attribute)

    def named(self, use: Use, target: ast.AST) -> list[Use | UseChain]:
        """Return the uses of a value that is assigned to a target."""
        if isinstance(target, ast.Name):
            read = [each for each in self.uses(target) if not self.is_before(each, target)]
            return [replace(use, node=each) for each in read] or [end_chain("unused", use, target)]
        if isinstance(target, ast.Attribute):
            read_there = self.attributes.get(target.attr, [])
            return [replace(use, node=each) for each in read_there] or [end_chain("unknown", use, target)]
        return [end_chain("unknown", use, target)]

    def uses(self, target: ast.Name) -> list[ast.Name]:
        """Return the reads of a variable."""
        scope = scope_of(self.syntax.index, target)
        return [each for each in self.loads.get(target.id, []) if scope_of(self.syntax.index, each) is scope]

    def is_before(self, use: ast.Name, target: ast.Name) -> bool:
        """Return True if an assignment does not reach a read: it is below without a loop back, or another follows."""
        if (use.lineno, use.col_offset) > (target.lineno, target.col_offset):
            return self.is_replaced(use, target)
        loops = [each for each in self.syntax.above(target) if isinstance(each, Loop)]
        above = set(self.syntax.above(use))
        if self.syntax.function_of(use) is not self.syntax.function_of(target):
            return False
        shared = next((each for each in loops if each in above), None)
        return shared is None or self.is_assigned(shared.body, target.id, 0, use.lineno)

    def is_replaced(self, use: ast.Name, target: ast.Name) -> bool:
        """Return True if the variable is surely reassigned between an assignment and a use, in one block."""
        block = self.block_of(target)
        return self.is_assigned(block, target.id, target.lineno, use.lineno) and self.is_within(use, block)

    def is_assigned(self, block: list[ast.stmt], name: str, after: int, before: int) -> bool:
        """Return True if one of the statements assigns a variable anew, between two lines."""
        return any(
            isinstance(each, ast.Assign)
            and after < each.lineno < before
            and any(isinstance(one, ast.Name) and one.id == name for one in each.targets)
            and not any(isinstance(one, ast.Name) and one.id == name for one in ast.walk(each.value))
            for each in block
        )

    def block_of(self, node: ast.AST) -> list[ast.stmt]:
        """The statements among which a node's own statement stands."""
        statement = self.syntax.statement_of(node)
        above = self.syntax.parent(statement) if statement is not None else None
        for name in ("body", "orelse", "finalbody"):
            block = getattr(above, name, [])
            if isinstance(block, list) and statement in block:
                return block
        return []

    def is_within(self, node: ast.AST, block: list[ast.stmt]) -> bool:
        """Return True if a node is within one of the statements."""
        inside = set(map(id, block))
        return any(id(each) in inside for each in self.syntax.above(node))

    def called(self, use: Use, function: Function) -> list[Use | UseChain]:
        """Return the uses of a value that a function returns, at the function's calls."""
        if function.name in RETURNED:
            return [end_chain("loss", use, function)]
        owner = self.syntax.parent(function)
        if function.name in FORWARDS and isinstance(owner, ast.ClassDef):
            is_loss = re.search(r"(?i)loss|criterion", owner.name) is not None
            return [end_chain("loss" if is_loss else "unknown", use, function)]
        calls = calls_of(self.syntax, function)
        return [replace(use, node=each) for each in calls] or [end_chain("unknown", use, function)]

    def given(self, use: Use, call: ast.Call, function: Function) -> list[Use | UseChain]:
        """Return the uses of a value that is passed to a function of the file, at the reads of the parameter."""
        names = [each for each, _ in defaults(function.args)]
        offset = bool(names) and names[0] in ("self", "cls") and isinstance(call.func, ast.Attribute)
        keyword = next((each.arg for each in call.keywords if each.value is use.node), None)
        position = next((at for at, each in enumerate(call.args) if each is use.node), -1) + offset
        name = keyword or (names[position] if offset <= position < len(names) else None)
        scope = self.syntax.index.inner.get(function)
        read = [each for each in self.loads.get(name or "", []) if scope_of(self.syntax.index, each) is scope]
        return [replace(use, node=each) for each in read] or [end_chain("unknown", use, call)]
