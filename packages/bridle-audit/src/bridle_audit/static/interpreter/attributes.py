"""Attribute access on abstract values."""

from __future__ import annotations

import ast

from bridle_audit.static.facts.classes import class_value, method_of
from bridle_audit.static.interpreter.abstract_values import (
    TOP,
    AbstractValue,
    Arguments,
    Class,
    Container,
    Frame,
    Function,
    Instance,
    LayerValue,
    Mode,
    Tensor,
    TupleValue,
)
from bridle_audit.static.interpreter.flow import Op
from bridle_audit.static.interpreter.functions import call_function
from bridle_audit.static.interpreter.machine import Machine, attribute

__all__ = ["ABOUT"]

# No data: sizes, devices and the like.
ABOUT_WORDS = """
size dim numel shape device dtype ndim ndimension stride is_cuda requires_grad element_size get_device grad grad_fn
"""
ABOUT = frozenset(ABOUT_WORDS.split())
LOGITS = ("logits", "out", "output", "outputs", "prediction", "predictions", "preds", "last_hidden_state")


@attribute.register
def of_container(value: Container, machine: Machine, name: str, node: ast.AST) -> AbstractValue:
    """An item under its name."""
    del node
    return next((each for key, each in machine.pairs(value) if key == name), TOP)


@attribute.register
def of_group(value: TupleValue, machine: Machine, name: str, node: ast.AST) -> AbstractValue:
    """The data in a network's output; ``module`` of a wrapper is what it wraps."""
    del machine, node
    if name in LOGITS:
        return next((each for each in value.items if isinstance(each, Tensor)), TOP)
    return value if name == "module" else TOP


@attribute.register
def of_layer(value: LayerValue, machine: Machine, name: str, node: ast.AST) -> AbstractValue:
    """Return the value that the program has assigned to the attribute."""
    del node
    return machine.heap.get((value.number, name), value if name == "module" else TOP)


@attribute.register
def of_instance(value: Instance, machine: Machine, name: str, node: ast.AST) -> AbstractValue:
    """Return the value that the program has assigned, or a method or attribute of the object's class."""
    del node
    if (value.number, name) in machine.heap:
        return machine.heap[value.number, name]
    if name == "training":
        return Mode()
    found = class_member(machine, value.of, value, name)
    if found is TOP and name == "module":
        return value
    return found


@attribute.register
def of_class(value: Class, machine: Machine, name: str, node: ast.AST) -> AbstractValue:
    """A method or attribute of a class, without an object."""
    del node
    return class_member(machine, value, None, name)


def class_member(machine: Machine, owner: Class, receiver: Instance | None, name: str) -> AbstractValue:
    """Look a name up in a class; a property is evaluated."""
    found = method_of(machine.syntax, owner.node, name)
    if found is not None:
        made = Function(found[1], owner.frame, receiver, found[0])
        decorators = {each.id for each in found[1].decorator_list if isinstance(each, ast.Name)}
        is_property = bool(decorators & {"property", "cached_property"})
        if is_property and receiver is not None:
            return call_function(made, machine, Arguments(ast.Call(ast.Name(name), [], [])), Frame())
        return made
    value = class_value(machine.syntax, owner.node, name)
    return machine.evaluate(value, owner.frame) if value is not None else TOP


@attribute.register
def of_tensor(value: Tensor, machine: Machine, name: str, node: ast.AST) -> AbstractValue:
    """An attribute of data: a part of them, or something about them."""
    if name in ABOUT:
        return TOP
    if name == "data":
        return machine.through(value, Op(machine.syntax, "method:data", "detach", node))
    return machine.selected(value, node)
