"""Losses of Keras: objects that take the targets first, and ``model.compile(loss=...)``, where nobody sees the call."""

from __future__ import annotations

from bridle_audit.static.facts.calls import Call
from bridle_audit.static.facts.keras_losses import LOSS, kind_of_loss
from bridle_audit.static.interpreter.abstract_values import (
    TOP,
    AbstractValue,
    Arguments,
    Const,
    Frame,
    LayerValue,
    Tensor,
)
from bridle_audit.static.interpreter.flow import Op
from bridle_audit.static.interpreter.machine import Machine
from bridle_audit.static.interpreter.observations import record_loss

__all__ = ["compile_model", "keras_loss"]


def keras_loss(machine: Machine, constructor: Call, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``loss(targets, outputs)``, of an object or a function."""
    found = LOSS.match(constructor.name)
    kind = kind_of_loss(found["word"], constructor) if found else None
    given = arguments.get(1, "y_pred") or TOP
    if kind is None:
        return TOP
    record_loss(machine, kind, constructor, Arguments(arguments.node, (given,)), frame)
    return Tensor((Op(machine.syntax, constructor.name, f"loss:{kind}", arguments.node, constructor),))


def compile_model(machine: Machine, model: AbstractValue, arguments: Arguments, frame: Frame) -> None:
    """Take down the loss of a model that is compiled."""
    given = arguments.keywords["loss"]
    word, constructor = "", Call(machine.syntax, arguments.node, "keras.compile")
    if isinstance(given, Const):
        word = str(given.value)
    elif isinstance(given, LayerValue) and given.ops and given.ops[0].call is not None:
        constructor = given.ops[0].call
        found = LOSS.match(constructor.name)
        word = found["word"] if found else ""
    kind = kind_of_loss(word, constructor)
    if kind is not None:
        result = machine.invoke(model, Arguments(arguments.node, (Tensor(()),)), frame)
        record_loss(machine, kind, constructor, Arguments(arguments.node, (result,)), frame)
