"""Calls of abstract values: functions of the file are followed, its classes instantiated, its networks applied."""

from __future__ import annotations

import ast
from typing import Any

from bridle_audit.static.facts.classes import FORWARDS, fields_of, is_module, known_base, method_of
from bridle_audit.static.interpreter.abstract_values import (
    TOP,
    AbstractValue,
    Arguments,
    Choice,
    Class,
    Const,
    Container,
    Frame,
    Function,
    Instance,
    LayerValue,
    Named,
    Partial,
    Tensor,
)
from bridle_audit.static.interpreter.flow import Op
from bridle_audit.static.interpreter.functions import call_function
from bridle_audit.static.interpreter.keras import keras_loss
from bridle_audit.static.interpreter.library import apply_layer, call_library
from bridle_audit.static.interpreter.machine import Machine, application
from bridle_audit.static.interpreter.observations import record_loss
from bridle_audit.static.libraries.kinds import kind_of
from bridle_audit.static.scopes.index import Function as Definition

__all__ = ["PARTS", "bind_method", "forward_of", "initialize"]

PARTS = "(parts)"  # on the heap: what an object of a class that derives from nn.Sequential consists of


@application.register
def call_choice(callee: Choice, machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """A call of one of several: what any of them returns; None is not called."""
    results = [machine.invoke(each, arguments, frame) for each in callee.options if not isinstance(each, Const)]
    if any(isinstance(each, Const) for each in callee.options):  # it may be missing, as an appended layer may
        results += [each for each in arguments.tensors()[:1]]
    result = results[0]
    for each in results[1:]:
        result = machine.joined(arguments.node, result, each)
    return result


@application.register
def call_partial(callee: Partial, machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """A call of ``partial(f, a, b=c)``."""
    first = callee.arguments
    node = ast.Call(
        first.node.args[0] if first.node.args else arguments.node.func,
        [*first.node.args[1:], *arguments.node.args],
        [*arguments.node.keywords, *first.node.keywords],
    )
    together = Arguments(
        ast.copy_location(node, arguments.node),
        (*first.positional[1:], *arguments.positional),
        {**first.keywords, **arguments.keywords},
        {**first.known, **arguments.known},
        first.is_open or arguments.is_open,
    )
    return machine.invoke(callee.callee, together, frame)


@application.register
def call_layer(callee: LayerValue, machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """Data go through a layer, or a loss is computed."""
    last = callee.ops[-1] if callee.ops else None
    if last is not None and last.name.startswith("keras.losses.") and last.call is not None:
        return keras_loss(machine, last.call, arguments, frame)
    if last is not None and last.kind.startswith("loss:") and last.call is not None:
        record_loss(machine, last.kind.removeprefix("loss:"), last.call, arguments, frame)
        return Tensor((last,))
    result = apply_layer(machine, callee, arguments, frame)
    is_whole = callee.is_network and not machine.forwards
    return Tensor(result.ops, callee) if is_whole and isinstance(result, Tensor) else result


@application.register
def call_container(callee: Container, machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """Data go through an ``nn.Sequential``."""
    if callee.kind != "sequential":
        return machine.unknown_call(arguments)
    given = network_input(machine, arguments)
    is_whole = not machine.forwards
    layers = [each for _, each in machine.pairs(callee) if not isinstance(each, Tensor)]  # Keras' inputs do nothing
    for each in layers:
        given = machine.invoke(each, Arguments(arguments.node, (given,)), frame)
    return Tensor(given.ops, callee) if is_whole and isinstance(given, Tensor) else given


def network_input(machine: Machine, arguments: Arguments) -> AbstractValue:
    """Return a network's input; within another network, data of unknown origin."""
    given = next(iter(arguments.tensors()), None)
    if given is not None:
        return given
    return machine.fresh(arguments.node) if machine.forwards else Tensor(())


@application.register
def call_instance(callee: Instance, machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """An object is called: a network's ``forward`` is followed."""
    found = forward_of(machine, callee)
    if not is_module(machine.syntax, callee.of.node):
        return call_function(bind_method(callee, found), machine, arguments, frame) if found else TOP
    is_whole = not machine.forwards
    result = follow_network(machine, callee, found, arguments, frame)
    return Tensor(result.ops, callee) if is_whole and isinstance(result, Tensor) else result


def forward_of(machine: Machine, network: AbstractValue) -> tuple[ast.ClassDef, Definition] | None:
    """The method that an object is called by."""
    if not isinstance(network, Instance):
        return None
    return next((each for name in FORWARDS if (each := method_of(machine.syntax, network.of.node, name))), None)


def follow_network(machine: Machine, callee: Instance, found: Any, arguments: Arguments, frame: Frame) -> AbstractValue:
    """The result of a network's ``forward``, its own or that of the layer it derives from."""
    given = network_input(machine, arguments)
    if found is None:
        return apply_base(machine, callee, arguments, given, frame)
    positional = tuple(given if type(each) is AbstractValue else each for each in arguments.positional) or (
        () if arguments.keywords else (given,)
    )
    keywords = {key: given if type(each) is AbstractValue else each for key, each in arguments.keywords.items()}
    machine.forwards.append(callee)
    try:
        inner = Arguments(arguments.node, positional, keywords, arguments.known, arguments.is_open)
        return call_function(bind_method(callee, found), machine, inner, frame)
    finally:
        machine.forwards.pop()


def apply_base(
    machine: Machine, callee: Instance, arguments: Arguments, given: AbstractValue, frame: Frame
) -> AbstractValue:
    """Apply a class without a ``forward`` as the layer that it derives from."""
    base = known_base(machine.syntax, callee.of.node)
    parts = machine.heap.get((callee.number, PARTS))
    if parts is not None:
        return machine.invoke(parts, Arguments(arguments.node, (given,)), frame)
    if base is None or not isinstance(given, Tensor):
        return machine.unknown_call(Arguments(arguments.node, (given,)))
    return machine.through(given, Op(machine.syntax, base, kind_of(base), callee.of.node, is_layer=True))


def bind_method(receiver: AbstractValue, found: tuple[ast.ClassDef, Definition]) -> Function:
    """A method on what it is called on."""
    owner, node = found
    frame = receiver.of.frame if isinstance(receiver, Instance) else Frame()
    return Function(node, frame, receiver, owner)


@application.register
def call_class(callee: Class, machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """An object of a class of the file is made."""
    instance = Instance(machine.number(), callee)
    machine.made(instance, callee)
    initialize(machine, instance, arguments, frame)
    return instance


def initialize(
    machine: Machine, instance: Instance, arguments: Arguments, frame: Frame, after: ast.ClassDef | None = None
) -> None:
    """Follow ``__init__``: the class's own, or that of a class above."""
    node = instance.of.node
    found = method_of(machine.syntax, node, "__init__", after)
    base = known_base(machine.syntax, node)
    if found is not None:
        call_function(bind_method(instance, found), machine, arguments, frame)
    elif base is not None:
        made = call_library(Named(base), machine, arguments, frame)
        if isinstance(made, LayerValue | Container):
            machine.heap[instance.number, PARTS] = made
    fields = fields_of(machine.syntax, node)
    given = {**dict(zip(fields, arguments.positional, strict=False)), **(arguments.keywords if fields else {})}
    machine.heap.update({(instance.number, name): value for name, value in given.items()})
