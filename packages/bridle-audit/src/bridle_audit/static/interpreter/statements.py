"""Execution of statements."""

from __future__ import annotations

import ast
from functools import partial

from bridle_audit.static.facts.calls import is_no_grad
from bridle_audit.static.interpreter.abstract_values import (
    TOP,
    AbstractValue,
    Class,
    Const,
    Container,
    Frame,
    Function,
    Instance,
    LayerValue,
    Tensor,
)
from bridle_audit.static.interpreter.expressions import apply_binary
from bridle_audit.static.interpreter.iteration import items_of, iterations
from bridle_audit.static.interpreter.machine import Machine, statement
from bridle_audit.static.interpreter.observations import record_sequence
from bridle_audit.static.interpreter.operators import truth
from bridle_audit.static.interpreter.unpacking import bind, unpack


@statement.register
def do_assign(node: ast.Assign | ast.AnnAssign, machine: Machine, frame: Frame) -> None:
    """``a = b``, ``a.b = c``, ``a, b = c``."""
    if node.value is None:  # only a type
        return
    value = machine.evaluate(node.value, frame)
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        store(machine, target, value, frame)


def store(machine: Machine, target: ast.expr, value: AbstractValue, frame: Frame) -> None:
    """Put a value where a target says."""
    if isinstance(target, ast.Attribute):
        owner = machine.evaluate(target.value, frame)
        if isinstance(owner, Instance | LayerValue):
            machine.heap[owner.number, target.attr] = value
    elif isinstance(target, ast.Subscript):
        store_item(machine, target, value, frame)
    elif isinstance(target, ast.Tuple | ast.List):
        for each, part in zip(target.elts, unpack(machine, value, target.elts), strict=True):
            store(machine, each, part, frame)
    else:
        bind(machine, target, value, frame)
        record_sequence(machine, target, value, frame)


def store_item(machine: Machine, target: ast.Subscript, value: AbstractValue, frame: Frame) -> None:
    """``a[b] = c``: an item is replaced or added; with a key that is not known, nothing is known of the items."""
    owner, key = machine.evaluate(target.value, frame), machine.evaluate(target.slice, frame)
    if not isinstance(owner, Container):
        return
    pairs = dict(machine.pairs(owner))
    if not isinstance(key, Const):
        machine.fill(owner, ((each, TOP) for each in pairs))
        return
    is_number = isinstance(key.value, int) and not isinstance(key.value, bool) and owner.kind != "dict"
    name = list(pairs)[key.value] if is_number and -len(pairs) <= key.value < len(pairs) else key.value
    machine.fill(owner, {**pairs, name: value}.items())


@statement.register
def do_augmented(node: ast.AugAssign, machine: Machine, frame: Frame) -> None:
    """``a += b``."""
    old, value = machine.evaluate(node.target, frame), machine.evaluate(node.value, frame)
    items = items_of(machine, value)
    if isinstance(old, Container) and isinstance(node.op, ast.Add) and items is not None:
        machine.fill(old, [*machine.pairs(old), *((len(machine.pairs(old)) + n, each) for n, each in enumerate(items))])
        return
    store(machine, node.target, apply_binary(machine, node, node.op, old, value), frame)


@statement.register
def do_expression(node: ast.Expr, machine: Machine, frame: Frame) -> None:
    """``f(x)``; ``x.relu_()`` changes x."""
    value = machine.evaluate(node.value, frame)
    call = node.value
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr.endswith("_"):
        changed = isinstance(value, Tensor) and isinstance(call.func.value, ast.Name)
        if changed and isinstance(machine.evaluate(call.func.value, frame), Tensor):
            store(machine, call.func.value, value, frame)


@statement.register
def do_return(node: ast.Return, machine: Machine, frame: Frame) -> None:
    """``return a``."""
    frame.returns.append(machine.evaluate(node.value, frame) if node.value else Const(None))
    frame.running = False


@statement.register
def do_leave(node: ast.Raise | ast.Break | ast.Continue, machine: Machine, frame: Frame) -> None:
    """``raise``, ``break`` and ``continue``."""
    del machine, node
    frame.running = False


@statement.register
def do_if(node: ast.If, machine: Machine, frame: Frame) -> None:
    """``if``: the way that is taken, or both."""
    known = truth(machine, machine.evaluate(node.test, frame))
    if known is not None:
        machine.execute(node.body if known else node.orelse, frame)
        return
    machine.fork(frame, node, *(partial(machine.execute, body, frame) for body in (node.body, node.orelse)))


@statement.register
def do_for(node: ast.For | ast.AsyncFor, machine: Machine, frame: Frame) -> None:
    """``for``: turn by turn where it goes over layers, once where the items are not known."""
    for item in iterations(machine, machine.evaluate(node.iter, frame)):
        bind(machine, node.target, item, frame)
        run_iteration(machine, node.body, frame)
    machine.execute(node.orelse, frame)


@statement.register
def do_while(node: ast.While, machine: Machine, frame: Frame) -> None:
    """``while``: once."""
    machine.evaluate(node.test, frame)
    run_iteration(machine, node.body, frame)


def run_iteration(machine: Machine, body: list[ast.stmt], frame: Frame) -> None:
    """Follow a loop's body once; what leaves the turn does not leave the function."""
    machine.execute(body, frame)
    frame.running = True


@statement.register
def do_with(node: ast.With | ast.AsyncWith, machine: Machine, frame: Frame) -> None:
    """``with``: gradients may be off in it."""
    before = frame.no_grad
    for item in node.items:
        value = machine.evaluate(item.context_expr, frame)
        frame.no_grad = frame.no_grad or is_no_grad(machine.syntax, item.context_expr)
        if item.optional_vars is not None:
            store(machine, item.optional_vars, value, frame)
    machine.execute(node.body, frame)
    frame.no_grad = before


@statement.register
def do_try(node: ast.Try | ast.TryStar, machine: Machine, frame: Frame) -> None:
    """``try``: as if nothing went wrong."""
    machine.execute([*node.body, *node.orelse], frame)
    was_running = frame.running
    frame.running = True
    machine.execute(node.finalbody, frame)
    frame.running = frame.running and was_running


@statement.register
def do_match(node: ast.Match, machine: Machine, frame: Frame) -> None:
    """``match``: any case."""
    machine.evaluate(node.subject, frame)
    machine.fork(frame, node, *(partial(machine.execute, each.body, frame) for each in node.cases), lambda: None)


@statement.register
def do_declare(node: ast.Global | ast.Nonlocal, machine: Machine, frame: Frame) -> None:
    """``global`` and ``nonlocal``."""
    del machine
    target_frame = frame.outer
    while isinstance(node, ast.Global) and target_frame is not None and target_frame.outer is not None:
        target_frame = target_frame.outer
    frame.elsewhere.update(dict.fromkeys(node.names, target_frame) if target_frame is not None else {})


@statement.register
def do_function(node: ast.FunctionDef | ast.AsyncFunctionDef, machine: Machine, frame: Frame) -> None:
    """``def``."""
    made = Function(node, frame)
    frame.bind(node.name, made)
    machine.definition(made)


@statement.register
def do_class(node: ast.ClassDef, machine: Machine, frame: Frame) -> None:
    """``class``."""
    made = Class(node, frame)
    frame.bind(node.name, made)
    machine.definition(made)
