"""Method calls on abstract values."""

from __future__ import annotations

import ast
from dataclasses import replace

from bridle_audit.static.facts.calls import Call
from bridle_audit.static.facts.classes import FORWARDS, is_module, known_base, method_of
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
    SuperValue,
    Tensor,
    TupleValue,
)
from bridle_audit.static.interpreter.applications import PARTS, bind_method, initialize
from bridle_audit.static.interpreter.attributes import ABOUT
from bridle_audit.static.interpreter.containers import IDENTITY_METHODS
from bridle_audit.static.interpreter.flow import Op
from bridle_audit.static.interpreter.functions import call_function
from bridle_audit.static.interpreter.joins import merge_paths, with_one_operand
from bridle_audit.static.interpreter.library import KNOWN_OPS, apply_layer
from bridle_audit.static.interpreter.machine import Machine, method
from bridle_audit.static.libraries.kinds import kind_of

JOINS = {
    "add": "add",
    "sub": "add",
    "mul": "multiply",
    "matmul": "product",
    "mm": "product",
    "bmm": "product",
    "div": "multiply",
}


@method.register
def on_anything(
    receiver: AbstractValue, machine: Machine, name: str, arguments: Arguments, frame: Frame
) -> AbstractValue:
    """A method of what is not known."""
    del receiver, frame
    if name in ("prepare", "setup", "autocast") and arguments.positional:  # accelerate's and Fabric's
        return arguments.positional[0] if len(arguments.positional) == 1 else TupleValue(arguments.positional)
    op = op_of(machine, name, arguments)
    if KNOWN_OPS.match(op.kind) and op.kind.startswith("activation:"):
        return machine.fresh(arguments.node, op)
    return machine.unknown_call(arguments)


def op_of(machine: Machine, name: str, arguments: Arguments) -> Op:
    """The op that a method of data is."""
    full = f"method:{name}"
    call = Call(machine.syntax, arguments.node, full, arguments.known)
    return Op(machine.syntax, full, kind_of(full), arguments.node, call)


@method.register
def on_tensor(receiver: Tensor, machine: Machine, name: str, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``x.relu()``."""
    del frame
    if name in IDENTITY_METHODS:
        return receiver
    if name in ABOUT:
        return TOP
    plain = name.rstrip("_")
    op = op_of(machine, name, arguments)
    others = arguments.tensors()
    if plain in JOINS:
        op = replace(op, kind=JOINS[plain])
        return merge_paths([receiver, *others], op) if others else machine.through(receiver, with_one_operand(op))
    return machine.through(receiver, op)


@method.register
def on_instance(receiver: Instance, machine: Machine, name: str, arguments: Arguments, frame: Frame) -> AbstractValue:
    """A method of an object of the file, or what its class inherits from nn.Module."""
    found = machine.attribute(receiver, name, arguments.node)
    if name in FORWARDS and not isinstance(found, LayerValue):
        return machine.invoke(receiver, arguments, frame)
    if found is not TOP:
        return machine.invoke(found, arguments, frame)
    if name in IDENTITY_METHODS:
        return receiver
    return apply_module_method(machine, receiver, name, arguments, frame)


def apply_module_method(
    machine: Machine, receiver: Instance, name: str, arguments: Arguments, frame: Frame
) -> AbstractValue:
    """Apply a method that is inherited from nn.Module: parts by name, and lists of them."""
    if name in ("add_module", "register_module") and len(arguments.positional) == 2:
        key = arguments.positional[0]
        if isinstance(key, Const):
            machine.heap[receiver.number, str(key.value)] = arguments.positional[1]
        return Const(None)
    if name in ("children", "named_children"):
        owned = [(key, each) for (number, key), each in machine.heap.items() if number == receiver.number]
        parts = [(key, each) for key, each in owned if isinstance(each, LayerValue | Instance | Container)]
        named = [TupleValue((Const(key), each)) if name == "named_children" else each for key, each in parts]
        return machine.container("list", arguments.node, named)
    return machine.unknown_call(arguments)


@method.register
def on_layer(receiver: LayerValue, machine: Machine, name: str, arguments: Arguments, frame: Frame) -> AbstractValue:
    """A method of a layer or of a library's model."""
    if name in IDENTITY_METHODS:
        return receiver
    if name in FORWARDS:
        return machine.invoke(receiver, arguments, frame)
    if (receiver.number, name) in machine.heap:
        return machine.invoke(machine.heap[receiver.number, name], arguments, frame)
    if name == "fit" or not arguments.tensors():
        return TOP
    first = receiver.ops[0].name if receiver.ops else "?"
    call = Call(machine.syntax, arguments.node, f"{first}.{name}", arguments.known)
    return machine.through(arguments.tensors()[0], Op(machine.syntax, call.name, "other", arguments.node, call))


@method.register
def on_group(receiver: TupleValue, machine: Machine, name: str, arguments: Arguments, frame: Frame) -> AbstractValue:
    """A method of a tuple."""
    key = arguments.get(0)
    if name == "get" and isinstance(key, Const):
        return machine.attribute(receiver, str(key.value), arguments.node)
    return machine.unknown_call(arguments)


@method.register
def on_choice(receiver: Choice, machine: Machine, name: str, arguments: Arguments, frame: Frame) -> AbstractValue:
    """A method of one of several values."""
    if name in IDENTITY_METHODS:
        return receiver
    results = [machine.method(each, name, arguments, frame) for each in receiver.options if not isinstance(each, Const)]
    result = results[0]
    for each in results[1:]:
        result = machine.joined(arguments.node, result, each)
    return result


@method.register
def on_class(receiver: Class, machine: Machine, name: str, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``Net.build(...)``, ``Base.forward(self, x)``."""
    found = method_of(machine.syntax, receiver.node, name)
    if found is None:
        return machine.unknown_call(arguments)
    decorators = [each.id for each in found[1].decorator_list if isinstance(each, ast.Name)]
    first = receiver if "classmethod" in decorators else None
    return call_function(Function(found[1], receiver.frame, first, found[0]), machine, arguments, frame)


@method.register
def on_super(receiver: SuperValue, machine: Machine, name: str, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``super().__init__()``, ``super().forward(x)``."""
    instance = receiver.instance
    if not isinstance(instance, Instance):
        return machine.unknown_call(arguments)
    if name == "__init__":
        initialize(machine, instance, arguments, frame, after=receiver.owner)
        return Const(None)
    found = method_of(machine.syntax, instance.of.node, name, after=receiver.owner)
    if found is not None:
        return call_function(bind_method(instance, found), machine, arguments, frame)
    if name in IDENTITY_METHODS:
        return instance
    return apply_library_base(machine, instance, name, arguments, frame)


def apply_library_base(
    machine: Machine, instance: Instance, name: str, arguments: Arguments, frame: Frame
) -> AbstractValue:
    """``super().forward(x)`` where a library's layer is above."""
    parts, base = machine.heap.get((instance.number, PARTS)), known_base(machine.syntax, instance.of.node)
    if name not in FORWARDS or not is_module(machine.syntax, instance.of.node):
        return machine.unknown_call(arguments)
    if parts is not None:
        return machine.invoke(parts, arguments, frame)
    if base is None:
        return machine.unknown_call(arguments)
    op = Op(machine.syntax, base, kind_of(base), instance.of.node, is_layer=True)
    return apply_layer(machine, LayerValue(machine.number(), (op,)), arguments, frame)
