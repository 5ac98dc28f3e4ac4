"""What following a program shows."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from bridle_audit.static.facts.calls import Call
from bridle_audit.static.interpreter.flow import Ops
from bridle_audit.static.interpreter.values import Instance, Thing


@dataclass(frozen=True, eq=False)
class Lost:
    """A loss, as it was met."""

    kind: str
    node: ast.Call
    constructor: Call
    logits: Ops
    network: Thing | None
    no_grad: bool

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from others."""
        ops = tuple((op.name, op.node) for op in self.logits)
        network = self.network.of.node if isinstance(self.network, Instance) else self.network
        return (self.node, self.constructor.node, ops, network, self.no_grad)


@dataclass(frozen=True, eq=False)
class Sketch:
    """A network, as it was met."""

    name: str
    node: ast.AST
    flow: Ops
    thing: Thing | ast.ClassDef


@dataclass(eq=False)
class Trace:
    """What following a program has shown."""

    losses: list[Lost] = field(default_factory=list)
    networks: list[Sketch] = field(default_factory=list)
    sequences: dict[Thing, tuple[str, ast.AST]] = field(default_factory=dict)  # with their names, and where they are
    keys: set[tuple[object, ...]] = field(default_factory=set)  # of the losses

    def add(self, loss: Lost) -> None:
        """Take a loss down, once."""
        if loss.key not in self.keys:
            self.keys.add(loss.key)
            self.losses.append(loss)
