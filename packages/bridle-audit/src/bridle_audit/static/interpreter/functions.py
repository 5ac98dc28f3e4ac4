"""Functions of the file: followed with what they are given, or with their defaults where nothing calls them."""

from __future__ import annotations

import ast

from bridle_audit.static.facts.calls import is_no_grad
from bridle_audit.static.facts.classes import is_module, method_of
from bridle_audit.static.interpreter.abstract_values import (
    TOP,
    AbstractValue,
    Arguments,
    Class,
    Const,
    Frame,
    Function,
    Tensor,
    TupleValue,
)
from bridle_audit.static.interpreter.machine import Machine, application
from bridle_audit.static.scopes.index import Function as Definition
from bridle_audit.static.scopes.index import defaults

__all__ = ["call_function", "entry_arguments", "instantiate_with_defaults", "synthetic_call"]


@application.register
def call_function(callee: Function, machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """A function of the file is followed, with what it is given."""
    node = callee.node
    if machine.is_too_deep(node):
        return machine.unknown_call(arguments)
    machine.entered.add(node)
    no_grad = frame.no_grad or any(is_no_grad(machine.syntax, each) for each in decorators(node))
    inner = Frame(outer=callee.frame, owner=callee.owner, receiver=callee.receiver, no_grad=no_grad)
    bind_arguments(machine, callee, arguments, inner)
    machine.stack.append(node)
    try:
        return run_body(machine, node, inner)
    finally:
        machine.stack.pop()


def run_body(machine: Machine, node: Definition | ast.Lambda, frame: Frame) -> AbstractValue:
    """Follow a function's body, and return its result."""
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


def bind_arguments(machine: Machine, callee: Function, arguments: Arguments, inner: Frame) -> None:
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
            inner.names[name] = TOP
        else:
            inner.names[name] = machine.evaluate(default, callee.frame)
    for each in [*args.posonlyargs, *args.args, *args.kwonlyargs]:
        if inner.names.get(each.arg) is TOP and each.annotation is not None:
            inner.names[each.arg] = annotated_value(machine, each.annotation, callee.frame)
    if args.vararg is not None:
        inner.names[args.vararg.arg] = TOP if arguments.is_open else TupleValue(tuple(positional[count:]))
    if args.kwarg is not None:
        inner.names[args.kwarg.arg] = machine.container("dict", callee.node, rest.values(), rest.keys())


def is_static(machine: Machine, callee: Function) -> bool:
    """Return True for a static method, which has no receiver."""
    return any(machine.syntax.resolve(each) == "staticmethod" for each in decorators(callee.node))


def annotated_value(machine: Machine, node: ast.expr, frame: Frame) -> AbstractValue:
    """An object of a network's class, if an argument is said to be one."""
    value = frame.find(node.id) if isinstance(node, ast.Name) else None
    if not isinstance(value, Class) or not is_module(machine.syntax, value.node):
        return TOP
    if value.node not in machine.instances:
        instantiate_with_defaults(machine, value)
    return machine.instances[value.node][0] if value.node in machine.instances else TOP


def instantiate_with_defaults(machine: Machine, value: Class) -> None:
    """Make an object of a class as the defaults say."""
    found = method_of(machine.syntax, value.node, "__init__")
    arguments = entry_arguments(found[1], TOP) if found else Arguments(synthetic_call(value.node))
    machine.invoke(value, arguments, machine.root)


def synthetic_call(node: ast.AST) -> ast.Call:
    """A call that the file does not make."""
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
    return ast.Call(ast.Name("?"), [], [], lineno=line, col_offset=column, end_lineno=line, end_col_offset=column)


def entry_arguments(node: Definition, given: AbstractValue, *, all_given: bool = False) -> Arguments:
    """Return arguments for a function without a caller: without a default, or ``all_given`` with None for one."""
    names = [
        name
        for number, (name, default) in enumerate(defaults(node.args))
        if default is None or (all_given and isinstance(default, ast.Constant) and default.value is None)
        if not (number == 0 and name in ("self", "cls"))
    ]
    keywords = dict.fromkeys(names, given)
    first = next((name for name, _ in defaults(node.args) if name not in ("self", "cls")), None)
    if first is not None and isinstance(given, Tensor):  # the data, even where their default is None
        keywords.setdefault(first, given)
    return Arguments(synthetic_call(node), (), keywords)
