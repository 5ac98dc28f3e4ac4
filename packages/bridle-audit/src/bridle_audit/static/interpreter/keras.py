"""Losses of Keras: objects that take the targets first, and ``model.compile(loss=...)``, where nobody sees the call."""

from __future__ import annotations

import re

from bridle_audit.static.facts.calls import Call
from bridle_audit.static.interpreter.flow import Op
from bridle_audit.static.interpreter.state import Machine
from bridle_audit.static.interpreter.values import ANYTHING, Arguments, Const, Frame, Layer, Tensor, Thing

# What is expected of the outputs: with from_logits=True logits, else probabilities.
KINDS = {
    "categoricalcrossentropy": ("cross_entropy", "nll_probabilities"),
    "sparsecategoricalcrossentropy": ("cross_entropy", "nll_probabilities"),
    "binarycrossentropy": ("bce_logits", "bce"),
    "meansquarederror": ("mse", "mse"),
    "mse": ("mse", "mse"),
}
LOSS = re.compile(r"^keras\.losses\.(?P<word>\w+)$")


def kind_of_loss(word: str, constructor: Call) -> str | None:
    """What a loss is by its name and by what it takes; None for one that is not known, or where that cannot be told."""
    kinds = KINDS.get(word.lower().replace("_", ""))
    takes_logits = constructor.value(None, "from_logits", False)
    if kinds is None or not isinstance(takes_logits, bool):
        return None
    return kinds[0] if takes_logits else kinds[1]


def keras_loss(machine: Machine, constructor: Call, arguments: Arguments, frame: Frame) -> Thing:
    """``loss(targets, outputs)``, of an object or a function."""
    found = LOSS.match(constructor.name)
    kind = kind_of_loss(found["word"], constructor) if found else None
    given = arguments.get(1, "y_pred") or ANYTHING
    if kind is None:
        return ANYTHING
    machine.lost(kind, constructor, Arguments(arguments.node, (given,)), frame)
    return Tensor((Op(machine.syntax, constructor.name, f"loss:{kind}", arguments.node, constructor),))


def compiled(machine: Machine, model: Thing, arguments: Arguments, frame: Frame) -> None:
    """Take down the loss of a model that is compiled."""
    given = arguments.keywords["loss"]
    word, constructor = "", Call(machine.syntax, arguments.node, "keras.compile")
    if isinstance(given, Const):
        word = str(given.value)
    elif isinstance(given, Layer) and given.ops and given.ops[0].call is not None:
        constructor = given.ops[0].call
        found = LOSS.match(constructor.name)
        word = found["word"] if found else ""
    kind = kind_of_loss(word, constructor)
    if kind is not None:
        result = machine.invoke(model, Arguments(arguments.node, (Tensor(()),)), frame)
        machine.lost(kind, constructor, Arguments(arguments.node, (result,)), frame)
