"""The losses that a program computes, with the path of their logits."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

from bridle_audit.findings import Location
from bridle_audit.static.constants.folding import is_number
from bridle_audit.static.facts.calls import Call, is_under_no_grad
from bridle_audit.static.interpreter.abstract_values import Instance
from bridle_audit.static.interpreter.flow import Op, Ops, last_value_changing
from bridle_audit.static.interpreter.networks import Network
from bridle_audit.static.interpreter.trace import LossCall, ProgramTrace
from bridle_audit.static.scopes.index import Function
from bridle_audit.static.syntax import Syntax

__all__ = ["ComputedLoss", "losses_of"]


@dataclass(frozen=True, eq=False)
class ComputedLoss:
    """A loss that is computed: one for each call, criterion and path of the data to it."""

    syntax: Syntax
    kind: str  # "cross_entropy", "nll", "bce_logits", "bce", "mse", ...
    node: ast.Call  # the call that computes it
    constructor: Call  # nn.CrossEntropyLoss(...), or the function's call itself
    logits: Ops  # what its first argument went through; it starts with a "?" where that is not known from the input on
    network: Network | None  # whose output the first argument is
    under_no_grad: bool  # an evaluation

    @property
    def location(self) -> Location:
        """The location of the computation."""
        return self.syntax.location(self.node)

    @property
    def function(self) -> Function | None:
        """The ``def`` in which it is computed."""
        return self.syntax.function_of(self.node)

    @property
    def last(self) -> Op | None:
        """The last op on the logits that changes values; None where there is none."""
        return last_value_changing(self.logits)

    @property
    def target(self) -> ast.expr | None:
        """The target of the loss."""
        call = Call(self.syntax, self.node, self.constructor.name)
        return next((given for word in ("target", "targets", "labels", "y") if (given := call.argument(1, word))), None)

    @property
    def smoothing(self) -> Any:
        """The label smoothing: 0.0 if it is not stated, or UNKNOWN."""
        words = {"timm.loss.LabelSmoothingCrossEntropy": "smoothing", "timm.loss.BinaryCrossEntropy": "smoothing"}
        word = words.get(self.constructor.name, "label_smoothing")
        default = 0.1 if word == "smoothing" else 0.0  # timm's
        value = self.constructor.value(0 if word == "smoothing" else None, word, default)
        return float(value) if is_number(value) else value

    @property
    def weight(self) -> ast.expr | None:
        """The weights of its classes."""
        is_function = "functional" in self.constructor.name
        return (
            self.constructor.argument(2 if is_function else 0, "weight")
            if "keras" not in self.constructor.name
            else None
        )

    @property
    def reduction(self) -> Any:
        """ "mean", "sum", "none", or UNKNOWN."""
        return self.constructor.value(None, "reduction", "mean")


def losses_of(syntax: Syntax, trace: ProgramTrace, networks: list[Network]) -> list[ComputedLoss]:
    """The losses that were met while the program was followed, in the order of the file."""
    ordered = sorted(trace.losses, key=lambda each: (each.node.lineno, each.node.col_offset))
    return [loss_of(syntax, each, networks) for each in ordered]


def loss_of(syntax: Syntax, call: LossCall, networks: list[Network]) -> ComputedLoss:
    """One of them, with its network."""
    key = call.network.of.node if isinstance(call.network, Instance) else call.network
    network = next((each for each in networks if each.identity is key), None)
    no_grad = call.no_grad or is_under_no_grad(syntax, call.node)
    return ComputedLoss(syntax, call.kind, call.node, call.constructor, call.logits, network, no_grad)
