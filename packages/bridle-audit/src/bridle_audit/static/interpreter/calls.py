"""What calls return: functions of the file are followed, its classes made into objects, its networks applied."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from bridle_audit.static.facts.calls import is_no_grad
from bridle_audit.static.facts.classes import fields_of, is_module, known_base, method_of
from bridle_audit.static.interpreter.flow import Op, mystery
from bridle_audit.static.interpreter.keras import keras_loss
from bridle_audit.static.interpreter.library import call_library, layered
from bridle_audit.static.interpreter.state import Machine
from bridle_audit.static.interpreter.values import (
    ANYTHING,
    Arguments,
    Choice,
    Class,
    Const,
    Container,
    Frame,
    Function,
    Group,
    Instance,
    Layer,
    Named,
    Partial,
    Tensor,
    Thing,
)
from bridle_audit.static.libraries.kinds import kind_of
from bridle_audit.static.scopes.index import Function as Definition
from bridle_audit.static.scopes.index import defaults

FORWARDS = ("forward", "call", "__call__")
OWN_CONSTRUCTOR = "__init__"
PARTS = "(parts)"  # on the heap: what an object of a class that derives from nn.Sequential consists of


def invoke(machine: Machine, callee: Thing, arguments: Arguments, frame: Frame) -> Thing:
    """What calling a thing returns."""
    machine.spend()
    how = HOW.get(type(callee))
    return (
        how(machine, callee, arguments, frame) if how is not None else call_anything(machine, callee, arguments, frame)
    )


def call_anything(machine: Machine, callee: Thing, arguments: Arguments, frame: Frame) -> Thing:
    """A call of what is not known: data that are given to it come out changed in a way that is not known."""
    del callee, frame
    tensors = arguments.tensors()
    return machine.through(tensors[0], mystery(machine.syntax, arguments.node)) if tensors else ANYTHING


def call_choice(machine: Machine, callee: Choice, arguments: Arguments, frame: Frame) -> Thing:
    """A call of one of several: what any of them returns; None is not called."""
    results = [invoke(machine, each, arguments, frame) for each in callee.options if not isinstance(each, Const)]
    if any(isinstance(each, Const) for each in callee.options):  # it may be missing, as an appended layer may
        results += [each for each in arguments.tensors()[:1]]
    result = results[0]
    for each in results[1:]:
        result = machine.joined(arguments.node, result, each)
    return result


def call_partial(machine: Machine, callee: Partial, arguments: Arguments, frame: Frame) -> Thing:
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
    return invoke(machine, callee.callee, together, frame)


def call_layer(machine: Machine, callee: Layer, arguments: Arguments, frame: Frame) -> Thing:
    """Data go through a layer, or a loss is computed."""
    last = callee.ops[-1] if callee.ops else None
    if last is not None and last.name.startswith("keras.losses.") and last.call is not None:
        return keras_loss(machine, last.call, arguments, frame)
    if last is not None and last.kind.startswith("loss:"):
        machine.lost(last.kind.removeprefix("loss:"), last.call, arguments, frame)
        return Tensor((last,))
    result = layered(machine, callee, arguments, frame)
    is_whole = callee.is_network and not machine.forwards
    return Tensor(result.ops, callee) if is_whole and isinstance(result, Tensor) else result


def call_container(machine: Machine, callee: Container, arguments: Arguments, frame: Frame) -> Thing:
    """Data go through an ``nn.Sequential``."""
    if callee.kind != "sequential":
        return call_anything(machine, callee, arguments, frame)
    given = entering(machine, arguments)
    is_whole = not machine.forwards
    layers = [each for _, each in machine.pairs(callee) if not isinstance(each, Tensor)]  # Keras' inputs do nothing
    for each in layers:
        given = invoke(machine, each, Arguments(arguments.node, (given,)), frame)
    return Tensor(given.ops, callee) if is_whole and isinstance(given, Tensor) else given


def entering(machine: Machine, arguments: Arguments) -> Thing:
    """What a network is given: data; within another network it is not known what they went through before."""
    given = next(iter(arguments.tensors()), None)
    if given is not None:
        return given
    return machine.fresh(arguments.node) if machine.forwards else Tensor(())


def call_instance(machine: Machine, callee: Instance, arguments: Arguments, frame: Frame) -> Thing:
    """An object is called: a network's ``forward`` is followed."""
    found = forward_of(machine, callee)
    if not is_module(machine.syntax, callee.of.node):
        return call_function(machine, bound(callee, found), arguments, frame) if found else ANYTHING
    is_whole = not machine.forwards
    result = follow_network(machine, callee, found, arguments, frame)
    return Tensor(result.ops, callee) if is_whole and isinstance(result, Tensor) else result


def forward_of(machine: Machine, network: Thing) -> tuple[ast.ClassDef, Definition] | None:
    """The method that an object is called by."""
    if not isinstance(network, Instance):
        return None
    return next((each for name in FORWARDS if (each := method_of(machine.syntax, network.of.node, name))), None)


def follow_network(machine: Machine, callee: Instance, found: Any, arguments: Arguments, frame: Frame) -> Thing:
    """The result of a network's ``forward``, its own or that of the layer it derives from."""
    given = entering(machine, arguments)
    if found is None:
        return derived(machine, callee, arguments, given, frame)
    positional = tuple(given if type(each) is Thing else each for each in arguments.positional) or (
        () if arguments.keywords else (given,)
    )
    keywords = {key: given if type(each) is Thing else each for key, each in arguments.keywords.items()}
    machine.forwards.append(callee)
    try:
        inner = Arguments(arguments.node, positional, keywords, arguments.known, arguments.is_open)
        return call_function(machine, bound(callee, found), inner, frame)
    finally:
        machine.forwards.pop()


def derived(machine: Machine, callee: Instance, arguments: Arguments, given: Thing, frame: Frame) -> Thing:
    """What a class without a ``forward`` does, by the layer that it derives from."""
    base = known_base(machine.syntax, callee.of.node)
    parts = machine.heap.get((callee.number, PARTS))
    if parts is not None:
        return invoke(machine, parts, Arguments(arguments.node, (given,)), frame)
    if base is None or not isinstance(given, Tensor):
        return call_anything(machine, callee, Arguments(arguments.node, (given,)), frame)
    return machine.through(given, Op(machine.syntax, base, kind_of(base), callee.of.node, is_layer=True))


def bound(receiver: Thing, found: tuple[ast.ClassDef, Definition]) -> Function:
    """A method on what it is called on."""
    owner, node = found
    frame = receiver.of.frame if isinstance(receiver, Instance) else Frame()
    return Function(node, frame, receiver, owner)


def call_class(machine: Machine, callee: Class, arguments: Arguments, frame: Frame) -> Thing:
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
    found = method_of(machine.syntax, node, OWN_CONSTRUCTOR, after)
    if found is not None:
        call_function(machine, bound(instance, found), arguments, frame)
    elif known_base(machine.syntax, node) == "torch.nn.Sequential":
        machine.heap[instance.number, PARTS] = call_library(machine, Named("torch.nn.Sequential"), arguments, frame)
    elif known_base(machine.syntax, node) is not None:
        name = str(known_base(machine.syntax, node))
        made = call_library(machine, Named(name), arguments, frame)
        if isinstance(made, Layer):
            machine.heap[instance.number, PARTS] = made
    for name, thing in zip(fields_of(machine.syntax, node), arguments.positional, strict=False):
        machine.heap[instance.number, name] = thing
    for name, thing in arguments.keywords.items() if fields_of(machine.syntax, node) else ():
        machine.heap[instance.number, name] = thing


def call_function(machine: Machine, callee: Function, arguments: Arguments, frame: Frame) -> Thing:
    """A function of the file is followed, with what it is given."""
    node = callee.node
    if machine.is_too_deep(node):
        return call_anything(machine, callee, arguments, frame)
    machine.entered.add(node)
    inner = Frame(outer=callee.frame, owner=callee.owner, receiver=callee.receiver, no_grad=frame.no_grad)
    inner.no_grad = inner.no_grad or any(is_no_grad(machine.syntax, each) for each in decorators(node))
    receive(machine, callee, arguments, inner)
    machine.stack.append(node)
    try:
        return follow(machine, node, inner)
    finally:
        machine.stack.pop()


def follow(machine: Machine, node: Definition | ast.Lambda, frame: Frame) -> Thing:
    """What a function's body returns."""
    if isinstance(node, ast.Lambda):
        return machine.evaluate(node.body, frame)
    machine.execute(node.body, frame)
    if not frame.returns:
        return Const(None)
    result = frame.returns[0]
    for each in frame.returns[1:]:
        result = machine.joined(node, result, each)
    return result


def decorators(node: Definition | ast.Lambda) -> list[ast.expr]:
    """A function's decorators."""
    return [] if isinstance(node, ast.Lambda) else node.decorator_list


def receive(machine: Machine, callee: Function, arguments: Arguments, inner: Frame) -> None:
    """Give a function's arguments their names."""
    positional = list(arguments.positional)
    if callee.receiver is not None and not is_static(machine, callee):
        positional.insert(0, callee.receiver)
    args = callee.node.args
    count = len(args.posonlyargs) + len(args.args)
    rest = dict(arguments.keywords)
    for number, (name, default) in enumerate(defaults(args)):
        if number < min(count, len(positional)):
            inner.names[name] = positional[number]
        elif name in rest:
            inner.names[name] = rest.pop(name)
        elif arguments.is_open or default is None:
            inner.names[name] = ANYTHING
        else:
            inner.names[name] = machine.evaluate(default, callee.frame)
    for each in [*args.posonlyargs, *args.args, *args.kwonlyargs]:
        if inner.names.get(each.arg) is ANYTHING and each.annotation is not None:
            inner.names[each.arg] = machine.annotated(each.annotation, callee.frame)
    if args.vararg is not None:
        inner.names[args.vararg.arg] = ANYTHING if arguments.is_open else Group(tuple(positional[count:]))
    if args.kwarg is not None:
        inner.names[args.kwarg.arg] = machine.container("dict", callee.node, rest.values(), rest.keys())


def is_static(machine: Machine, callee: Function) -> bool:
    """Whether a method is called without its object."""
    return any(machine.syntax.resolve(each) == "staticmethod" for each in decorators(callee.node))


HOW: dict[type[Thing], Callable[..., Thing]] = {
    Choice: call_choice,
    Partial: call_partial,
    Layer: call_layer,
    Container: call_container,
    Instance: call_instance,
    Class: call_class,
    Function: call_function,
    Named: call_library,
}
