"""The trace of an interpreted program: its losses and networks."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from bridle_audit.static.facts.calls import Call
from bridle_audit.static.interpreter.abstract_values import AbstractValue, Instance
from bridle_audit.static.interpreter.flow import Ops

__all__ = ["LossCall", "NetworkFlow", "ProgramTrace"]


@dataclass(frozen=True, eq=False)
class LossCall:
    """A loss, as it was met."""

    kind: str
    node: ast.Call
    constructor: Call
    logits: Ops
    network: AbstractValue | None
    no_grad: bool

    @property
    def key(self) -> tuple[object, ...]:
        """The key by which a loss counts once."""
        ops = tuple((op.name, op.node) for op in self.logits)
        network = self.network.of.node if isinstance(self.network, Instance) else self.network
        return (self.node, self.constructor.node, ops, network, self.no_grad)


@dataclass(frozen=True, eq=False)
class NetworkFlow:
    """A network, as it was met."""

    name: str
    node: ast.AST
    flow: Ops
    identity: AbstractValue | ast.ClassDef


@dataclass(eq=False)
class ProgramTrace:
    """The losses and networks that were met while a program was followed."""

    losses: list[LossCall] = field(default_factory=list)
    networks: list[NetworkFlow] = field(default_factory=list)
    # Sequences of layers with their names, and where they are.
    sequences: dict[AbstractValue, tuple[str, ast.AST]] = field(default_factory=dict)
    keys: set[tuple[object, ...]] = field(default_factory=set)  # of the losses

    def add(self, loss: LossCall) -> None:
        """Take a loss down, once."""
        if loss.key not in self.keys:
            self.keys.add(loss.key)
            self.losses.append(loss)
