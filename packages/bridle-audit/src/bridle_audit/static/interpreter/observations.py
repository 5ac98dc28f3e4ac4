"""Recording of a program's losses, and of its named sequences of layers."""

from __future__ import annotations

import ast

from bridle_audit.static.facts.calls import Call
from bridle_audit.static.facts.classes import is_module
from bridle_audit.static.interpreter.abstract_values import (
    TOP,
    AbstractValue,
    Arguments,
    Container,
    Frame,
    LayerValue,
    Tensor,
    TupleValue,
)
from bridle_audit.static.interpreter.flow import unknown_origin
from bridle_audit.static.interpreter.machine import Machine
from bridle_audit.static.interpreter.trace import LossCall

__all__ = ["output_data", "record_loss", "record_sequence"]

DATA = ("input", "inputs", "x", "tensor", "tensors", "logits", "pred", "preds", "outputs", "output")


def record_loss(machine: Machine, kind: str, constructor: Call, arguments: Arguments, frame: Frame) -> None:
    """Take down that a loss is computed."""
    given = output_data(machine, arguments.get(0, *DATA) or TOP)
    logits = given.ops if given is not None else (unknown_origin(machine.syntax, arguments.node),)
    network = given.network if given is not None else None
    network = network or next(iter(machine.forwards), None)
    machine.trace.add(LossCall(kind, arguments.node, constructor, logits, network, frame.no_grad))


def output_data(machine: Machine, value: AbstractValue) -> Tensor | None:
    """The data of what a network returns: of a tuple the first, of a dictionary or output object the logits."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, TupleValue):
        found = [each for item in value.items if (each := output_data(machine, item)) is not None]
        return next((each for each in found if not (each.ops and each.ops[-1].kind.startswith("loss:"))), None)
    if isinstance(value, Container) and value.kind == "dict":
        pairs = dict(machine.pairs(value))
        key = next((name for name in ("logits", "out", "output", "pred") if name in pairs), None)
        only = list(pairs.values()) if len(pairs) == 1 else []
        return output_data(machine, pairs[key] if key else only[0]) if key or only else None
    return None


def record_sequence(machine: Machine, target: ast.expr, value: AbstractValue, frame: Frame) -> None:
    """Take a sequence of layers down under its first name, where it is no part of a network's class."""
    is_part = frame.owner is not None and is_module(machine.syntax, frame.owner)
    is_sequential = isinstance(value, Container) and value.kind == "sequential"
    is_network = is_sequential or (isinstance(value, LayerValue) and value.is_network)
    if is_network and isinstance(target, ast.Name) and not is_part:
        machine.trace.sequences.setdefault(value, (target.id, machine.syntax.statement_of(target) or target))
