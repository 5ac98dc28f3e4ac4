"""The networks that a program defines."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from bridle_audit.findings import Location
from bridle_audit.static.facts.calls import Call
from bridle_audit.static.interpreter.abstract_values import AbstractValue
from bridle_audit.static.interpreter.flow import Op, Ops, last_value_changing
from bridle_audit.static.interpreter.trace import ProgramTrace
from bridle_audit.static.syntax import Syntax

__all__ = ["Network", "networks_of"]


@dataclass(frozen=True, eq=False)
class Network:
    """A network's class, or a sequence of layers that has a name."""

    syntax: Syntax
    name: str
    node: ast.AST  # the class, or the assignment
    flow: Ops  # from the input to what is returned, in training mode
    identity: AbstractValue | ast.ClassDef
    is_part: bool  # whether another network of the file makes one: it is a block

    @property
    def location(self) -> Location:
        """The location of the definition."""
        return self.syntax.location(self.node)

    @property
    def last(self) -> Op | None:
        """The last op that changes values."""
        return last_value_changing(self.flow)


def networks_of(syntax: Syntax, trace: ProgramTrace, calls: list[Call]) -> list[Network]:
    """The networks that were met while the program was followed."""
    classes = {each.identity for each in trace.networks if isinstance(each.identity, ast.ClassDef)}
    blocks: set[str] = set()
    for call in calls:
        owner = syntax.class_of(call.node) if "." not in call.name else None
        if owner is not None and owner in classes and call.name != owner.name:
            blocks.add(call.name)
    blocks.update(each.name for node in classes for each in syntax.lineages[node][1:])
    return [
        Network(syntax, each.name, each.node, each.flow, each.identity, each.name in blocks) for each in trace.networks
    ]
