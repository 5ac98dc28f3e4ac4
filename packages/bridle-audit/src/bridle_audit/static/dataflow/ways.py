"""The ways of a value, step by step: what each kind of syntax does with it."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from functools import singledispatch
from typing import Any

from bridle_audit.static.dataflow.reaching import RETURNED, Path, Reach, Step, Stop, end
from bridle_audit.static.dataflow.weights import calls_of
from bridle_audit.static.facts.calls import call_of

MOST = 400  # stops on the ways of one value
REPORTS = re.compile(
    r"(?i)^(?:print|log|log_dict|log_metrics|info|debug|warning|write|add_scalars?|set_postfix|set_description|format"
    r"|append_metric|track|record|update_metric|plot|scalar|str|repr|round|report)$"
)
DETACHING = ("item", "detach", "tolist", "numpy", "detach_")
TRAINED = ("backward", "manual_backward", "gradient", "add_loss", "minimize", "grad", "compute_gradients")
PASSED_WORDS = """
sum mean sqrt pow square abs norm log exp clamp clip add sub mul div to cuda cpu float double half view reshape squeeze
unsqueeze flatten stack cat concat add_n reduce_sum reduce_mean scale multiply subtract divide tensor as_tensor asarray
Variable list tuple min max maximum minimum where nan_to_num type contiguous type_as
"""
PASSED = frozenset(PASSED_WORDS.split())
KEPT = frozenset({"append", "extend", "insert", "add"})


def ways_of(reach: Reach, node: ast.expr) -> tuple[Path, ...]:
    """All ways of an expression's value, each up to its end."""
    waiting, seen = [Stop(node)], set()
    ends: list[Path] = []
    while waiting:
        stop = waiting.pop()
        key = (stop.node, stop.detached is None)
        if key in seen:
            continue
        seen.add(key)
        if len(seen) > MOST:
            return (*ends, end("unknown", stop, stop.node))
        above = reach.syntax.parent(stop.node)
        for each in onward(above, reach, stop):
            waiting += [each] if isinstance(each, Stop) else []
            ends += [each] if isinstance(each, Path) else []
    return tuple(ends)


@singledispatch
def onward(above: ast.AST | None, reach: Reach, stop: Stop) -> list[Any]:
    """Where a value goes by the node above it; syntax that is not followed ends its way."""
    del reach
    return [end("unknown", stop, above)]


@onward.register
def of_operation(above: ast.BinOp, reach: Reach, stop: Stop) -> list[Any]:
    """Arithmetic goes on with the result; as a divisor or exponent a value is no term any more."""
    if above.right is stop.node and isinstance(above.op, ast.Div | ast.Pow | ast.FloorDiv | ast.Mod):
        return [end("unknown", stop, above)]
    is_factor = isinstance(above.op, ast.Mult | ast.MatMult | ast.Div)
    step = Step(above, stop.node)
    if is_factor and stop.detached is not None and any(isinstance(each, ast.Call) for each in ast.walk(step.other)):
        return [end("unknown", stop, above)]  # it weighs something that has a gradient
    return [replace(stop, node=above, steps=(*stop.steps, step))]


@onward.register
def of_augmented(above: ast.AugAssign, reach: Reach, stop: Stop) -> list[Any]:
    """``loss += value``."""
    return reach.named(replace(stop, steps=(*stop.steps, Step(above, stop.node))), above.target)


@onward.register
def of_attribute(above: ast.Attribute, reach: Reach, stop: Stop) -> list[Any]:
    """A method of the value; its data without a graph; anything else is not followed."""
    call = reach.syntax.parent(above)
    if above.attr == "data":
        return [replace(stop, node=above, detached=stop.detached or above)]
    if not isinstance(call, ast.Call) or call.func is not above:
        return [end("unknown", stop, above)]
    if above.attr in TRAINED:
        return [end("loss", stop, call)]
    if above.attr in KEPT:
        return [end("unknown", stop, call)]  # something else is put into the container that holds it
    if above.attr in DETACHING:
        return [replace(stop, node=call, detached=stop.detached or call)]
    return [replace(stop, node=call)] if above.attr in PASSED else [end("unknown", stop, call)]


@onward.register
def of_call(above: ast.Call, reach: Reach, stop: Stop) -> list[Any]:
    """A call that is given the value."""
    call = call_of(reach.syntax, above)
    last = re.split(r"[.:]", call.name)[-1]
    if last in TRAINED or REPORTS.search(last):
        return [end("loss" if last in TRAINED else "reported", stop, above)]
    if call.name in ("float", "int"):
        return [replace(stop, node=above, detached=stop.detached or above)]
    if (
        last in KEPT
        and isinstance(above.func, ast.Attribute)
        and isinstance(above.func.value, ast.Name | ast.Attribute)
    ):
        return reach.named(stop, above.func.value)
    return of_function(reach, stop, above, last)


def of_function(reach: Reach, stop: Stop, above: ast.Call, name: str) -> list[Any]:
    """A function of the file, or one of those that give on what they are given."""
    if name == "scale_loss":  # of apex: with amp.scale_loss(loss, optimizer) as scaled
        item = reach.syntax.parent(above)
        bound = item.optional_vars if isinstance(item, ast.withitem) else None
        return reach.named(stop, bound) if bound is not None else [end("unknown", stop, above)]
    if name in PASSED:
        return [replace(stop, node=above)]
    functions = [each for each in reach.syntax.functions if each.name == name]
    return reach.given(stop, above, functions[0]) if len(functions) == 1 else [end("unknown", stop, above)]


@onward.register
def of_keyword(above: ast.keyword, reach: Reach, stop: Stop) -> list[Any]:
    """A named argument."""
    call = reach.syntax.parent(above)
    return of_call(call, reach, stop) if isinstance(call, ast.Call) else [end("unknown", stop, above)]


@onward.register
def of_comprehension(above: ast.GeneratorExp | ast.ListComp | ast.SetComp, reach: Reach, stop: Stop) -> list[Any]:
    """What a comprehension is made of goes on with it."""
    return [replace(stop, node=above)] if above.elt is stop.node else [end("unknown", stop, above)]


@onward.register
def of_iteration(above: ast.For | ast.AsyncFor | ast.comprehension, reach: Reach, stop: Stop) -> list[Any]:
    """What a loop goes through goes on with its variable."""
    return reach.named(stop, above.target) if above.iter is stop.node else [end("unknown", stop, above)]


@onward.register
def of_container(above: ast.List | ast.Tuple | ast.Set, reach: Reach, stop: Stop) -> list[Any]:
    """A list goes on as a whole; what is returned or assigned as one of several, where that can be told."""
    behind = reach.syntax.parent(above)
    position = next(at for at, each in enumerate(above.elts) if each is stop.node)
    if isinstance(behind, ast.Assign):
        return [each for target in behind.targets for each in part(reach, stop, target, position)]
    if isinstance(behind, ast.Return):
        function = reach.syntax.function_of(behind)
        if function is None or (function.name in RETURNED and position > 0):
            return [end("unknown", stop, behind)]
        if function.name in RETURNED:
            return [end("loss", stop, behind)]
        return [
            each for call in calls_of(reach.syntax, function) for each in unpacked(reach, stop, call, position)
        ] or [end("unknown", stop, behind)]
    return [replace(stop, node=above)]


def unpacked(reach: Reach, stop: Stop, call: ast.Call, position: int) -> list[Any]:
    """One of several results of a call, where they are told apart."""
    above = reach.syntax.parent(call)
    if isinstance(above, ast.Assign) and isinstance(above.targets[0], ast.Tuple):
        return part(reach, stop, above.targets[0], position)
    if isinstance(above, ast.Subscript) and above.value is call:
        return [replace(stop, node=above)] if reach.syntax.value(above.slice) == position else []
    return [end("unknown", stop, call)]


def part(reach: Reach, stop: Stop, target: ast.AST, position: int) -> list[Any]:
    """What one of several values is assigned to."""
    if not isinstance(target, ast.Tuple | ast.List) or any(isinstance(each, ast.Starred) for each in target.elts):
        return [end("unknown", stop, target)]
    return reach.named(stop, target.elts[position]) if position < len(target.elts) else [end("unknown", stop, target)]


@onward.register
def of_dict(above: ast.Dict, reach: Reach, stop: Stop) -> list[Any]:
    """``return {"loss": value}`` in a training step, or a dictionary for a log."""
    key = next((key for key, value in zip(above.keys, above.values, strict=True) if value is stop.node), None)
    behind = reach.syntax.parent(above)
    function = reach.syntax.function_of(above)
    if isinstance(behind, ast.Return) and function is not None and function.name in RETURNED:
        is_loss = isinstance(key, ast.Constant) and key.value == "loss"
        return [end("loss" if is_loss else "reported", stop, behind)]
    if isinstance(behind, ast.Call) and REPORTS.search(re.split(r"[.:]", call_of(reach.syntax, behind).name)[-1]):
        return [end("reported", stop, behind)]
    return [end("unknown", stop, above)]


@onward.register
def of_return(above: ast.Return, reach: Reach, stop: Stop) -> list[Any]:
    """The value of a function."""
    function = reach.syntax.function_of(above)
    return reach.called(stop, function) if function is not None else [end("unknown", stop, above)]


@onward.register
def of_lambda(above: ast.Lambda, reach: Reach, stop: Stop) -> list[Any]:
    """The value of a lambda, where it has a name."""
    behind = reach.syntax.parent(above)
    target = behind.targets[0] if isinstance(behind, ast.Assign) and len(behind.targets) == 1 else None
    if above.body is not stop.node or not isinstance(target, ast.Name):
        return [end("unknown", stop, above)]
    calls = [each for each in map(reach.syntax.parent, reach.uses(target)) if isinstance(each, ast.Call)]
    return [replace(stop, node=each) for each in calls] or [end("unknown", stop, above)]


@onward.register
def of_assignment(above: ast.Assign, reach: Reach, stop: Stop) -> list[Any]:
    """``a = b = value``."""
    return [each for target in above.targets for each in reach.named(stop, target)]


@onward.register
def of_statement(above: ast.Expr, reach: Reach, stop: Stop) -> list[Any]:
    """A value that nothing is done with; a notebook shows the last one of a cell."""
    return [end("reported" if reach.syntax.is_notebook else "unused", stop, above)]


@onward.register
def of_choice(above: ast.IfExp, reach: Reach, stop: Stop) -> list[Any]:
    """``value if test else other``."""
    return [end("unknown", stop, above)] if above.test is stop.node else [replace(stop, node=above)]


@onward.register
def of_walrus(above: ast.NamedExpr, reach: Reach, stop: Stop) -> list[Any]:
    """``(name := value)``."""
    return [replace(stop, node=above), *reach.named(stop, above.target)]


@onward.register
def on(above: ast.UnaryOp | ast.Starred, reach: Reach, stop: Stop) -> list[Any]:
    """The value goes on as it is, or with another sign."""
    return [replace(stop, node=above)]


@onward.register
def shown(above: ast.FormattedValue, reach: Reach, stop: Stop) -> list[Any]:
    """The value is part of a text."""
    return [end("reported", stop, above)]


@onward.register
def of_annotated(above: ast.AnnAssign, reach: Reach, stop: Stop) -> list[Any]:
    """``a: type = value``."""
    return reach.named(stop, above.target)
