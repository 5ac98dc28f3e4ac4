"""Methods of lists, dictionaries, tuples and sequences of layers."""

from __future__ import annotations

from bridle_audit.static.facts.classes import FORWARDS
from bridle_audit.static.interpreter.abstract_values import (
    TOP,
    AbstractValue,
    Arguments,
    Const,
    Container,
    Frame,
    TupleValue,
)
from bridle_audit.static.interpreter.iteration import items_of
from bridle_audit.static.interpreter.machine import Machine, method

__all__ = ["IDENTITY_METHODS"]

# These return what they are called on, as far as a network's path is concerned.
IDENTITY_WORDS = """
to cuda cpu float double half bfloat16 type type_as contiguous clone train eval requires_grad_ apply share_memory
compile xpu mps long int retain_grad values
"""
IDENTITY_METHODS = frozenset(IDENTITY_WORDS.split())
CHANGES = frozenset({"append", "add", "add_module", "register_module", "extend", "insert", "pop", "update"})


@method.register
def on_container(receiver: Container, machine: Machine, name: str, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``layers.append(layer)``, ``blocks.items()``, ..."""
    pairs = machine.pairs(receiver)
    part = next((each for key, each in pairs if key == name), None)
    if part is not None:
        return machine.invoke(part, arguments, frame)
    if name in CHANGES:
        return apply_change(machine, receiver, name, arguments)
    if name in ("items", "named_children"):
        return machine.container("list", arguments.node, [TupleValue((Const(key), each)) for key, each in pairs])
    if name in ("values", "children"):
        return machine.container("list", arguments.node, [each for _, each in pairs])
    return apply_query(machine, receiver, name, arguments, frame)


def apply_change(machine: Machine, receiver: Container, name: str, arguments: Arguments) -> AbstractValue:
    """Apply a method that changes a container, and return its result."""
    match name:
        case "extend":
            return extend(machine, receiver, arguments)
        case "insert":
            return insert(machine, receiver, arguments)
        case "pop":
            return pop(machine, receiver, arguments)
        case "update":
            return update(machine, receiver, arguments)
        case _:
            return append(machine, receiver, arguments)


def apply_query(machine: Machine, receiver: Container, name: str, arguments: Arguments, frame: Frame) -> AbstractValue:
    """Apply a method that does not change a container, and return its result."""
    if name in IDENTITY_METHODS:
        return receiver
    if name in FORWARDS:
        return machine.invoke(receiver, arguments, frame)
    key = arguments.get(0)
    if name == "get" and isinstance(key, Const):
        found = next((each for other, each in machine.pairs(receiver) if other == key.value), None)
        return found or arguments.get(1) or Const(None)
    return machine.unknown_call(arguments)


def append(machine: Machine, receiver: Container, arguments: Arguments) -> AbstractValue:
    """``append(a)``, Keras' ``add(a)``, ``add_module("name", a)``."""
    pairs = machine.pairs(receiver)
    value = arguments.positional[-1] if arguments.positional else TOP
    named = arguments.positional[0] if len(arguments.positional) == 2 else None
    key = named.value if isinstance(named, Const) else len(pairs)
    machine.fill(receiver, (*pairs, (key, value)))
    return receiver


def extend(machine: Machine, receiver: Container, arguments: Arguments) -> AbstractValue:
    """``extend(a)``; of a list that is not known one item is added."""
    pairs = machine.pairs(receiver)
    items = items_of(machine, arguments.positional[0]) if arguments.positional else None
    values = items if items is not None else [TOP]
    machine.fill(receiver, (*pairs, *((len(pairs) + number, each) for number, each in enumerate(values))))
    return receiver


def insert(machine: Machine, receiver: Container, arguments: Arguments) -> AbstractValue:
    """``insert(0, a)``."""
    pairs, index = list(machine.pairs(receiver)), arguments.get(0)
    value = arguments.get(1) or TOP
    at = index.value if isinstance(index, Const) and isinstance(index.value, int) else len(pairs)
    pairs.insert(at, (f"inserted {len(pairs)}", value))
    machine.fill(receiver, pairs)
    return receiver


def pop(machine: Machine, receiver: Container, arguments: Arguments) -> AbstractValue:
    """``pop()``, ``pop("key")``."""
    pairs, key = list(machine.pairs(receiver)), arguments.get(0)
    which = key.value if isinstance(key, Const) else -1
    if isinstance(which, int) and -len(pairs) <= which < len(pairs) and receiver.kind != "dict":
        _, value = pairs.pop(which)
        machine.fill(receiver, pairs)
        return value
    found = next((each for name, each in pairs if name == which), arguments.get(1) or TOP)
    machine.fill(receiver, [each for each in pairs if each[0] != which])
    return found


def update(machine: Machine, receiver: Container, arguments: Arguments) -> AbstractValue:
    """``update({"a": b})``."""
    first = arguments.get(0)
    more = dict(machine.pairs(first)) if isinstance(first, Container) else {}
    if receiver.kind == "dict":
        machine.fill(receiver, {**dict(machine.pairs(receiver)), **more, **arguments.keywords}.items())
    return Const(None)
