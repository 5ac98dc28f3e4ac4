"""From one use of a value to the next: each kind of syntax has a function that says where the value goes."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from functools import singledispatch

from bridle_audit.static.dataflow.def_use import RETURNED, DefUse, Step, Use, UseChain, end_chain
from bridle_audit.static.dataflow.weights import calls_of
from bridle_audit.static.facts.calls import call_of

__all__ = ["use_chains"]

MOST_USES = 400  # of one value
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


def use_chains(def_use: DefUse, node: ast.expr) -> tuple[UseChain, ...]:
    """All chains of an expression's value, each up to its end."""
    waiting, seen = [Use(node)], set()
    ends: list[UseChain] = []
    while waiting:
        use = waiting.pop()
        key = (use.node, use.detached is None)
        if key in seen:
            continue
        seen.add(key)
        if len(seen) > MOST_USES:
            return (*ends, end_chain("unknown", use, use.node))
        above = def_use.syntax.parent(use.node)
        for each in next_uses(above, def_use, use):
            waiting += [each] if isinstance(each, Use) else []
            ends += [each] if isinstance(each, UseChain) else []
    return tuple(ends)


@singledispatch
def next_uses(above: ast.AST | None, def_use: DefUse, use: Use) -> list[Use | UseChain]:
    """Return the next uses of a value, by the node above it; syntax that is not supported ends the chain."""
    del def_use
    return [end_chain("unknown", use, above)]


@next_uses.register
def of_operation(above: ast.BinOp, def_use: DefUse, use: Use) -> list[Use | UseChain]:
    """Arithmetic goes on with the result; as a divisor or exponent a value is no term any more."""
    if above.right is use.node and isinstance(above.op, ast.Div | ast.Pow | ast.FloorDiv | ast.Mod):
        return [end_chain("unknown", use, above)]
    is_factor = isinstance(above.op, ast.Mult | ast.MatMult | ast.Div)
    step = Step(above, use.node)
    if is_factor and use.detached is not None and any(isinstance(each, ast.Call) for each in ast.walk(step.other)):
        return [end_chain("unknown", use, above)]  # it weighs something that has a gradient
    return [replace(use, node=above, steps=(*use.steps, step))]


@next_uses.register
def of_augmented(above: ast.AugAssign, def_use: DefUse, use: Use) -> list[Use | UseChain]:
    """``loss += value``."""
    return def_use.named(replace(use, steps=(*use.steps, Step(above, use.node))), above.target)


@next_uses.register
def of_attribute(above: ast.Attribute, def_use: DefUse, use: Use) -> list[Use | UseChain]:
    """A method of the value; its data without a graph; anything else is not followed."""
    call = def_use.syntax.parent(above)
    if above.attr == "data":
        return [replace(use, node=above, detached=use.detached or above)]
    if not isinstance(call, ast.Call) or call.func is not above:
        return [end_chain("unknown", use, above)]
    if above.attr in TRAINED:
        return [end_chain("loss", use, call)]
    if above.attr in KEPT:
        return [end_chain("unknown", use, call)]  # something else is put into the container that holds it
    if above.attr in DETACHING:
        return [replace(use, node=call, detached=use.detached or call)]
    return [replace(use, node=call)] if above.attr in PASSED else [end_chain("unknown", use, call)]


@next_uses.register
def of_call(above: ast.Call, def_use: DefUse, use: Use) -> list[Use | UseChain]:
    """A call that is given the value."""
    call = call_of(def_use.syntax, above)
    last = re.split(r"[.:]", call.name)[-1]
    if last in TRAINED or REPORTS.search(last):
        return [end_chain("loss" if last in TRAINED else "reported", use, above)]
    if call.name in ("float", "int"):
        return [replace(use, node=above, detached=use.detached or above)]
    if (
        last in KEPT
        and isinstance(above.func, ast.Attribute)
        and isinstance(above.func.value, ast.Name | ast.Attribute)
    ):
        return def_use.named(use, above.func.value)
    return of_function(def_use, use, above, last)


def of_function(def_use: DefUse, use: Use, above: ast.Call, name: str) -> list[Use | UseChain]:
    """A function of the file, or one of those that give on what they are given."""
    if name == "scale_loss":  # of apex: with amp.scale_loss(loss, optimizer) as scaled
        item = def_use.syntax.parent(above)
        bound = item.optional_vars if isinstance(item, ast.withitem) else None
        return def_use.named(use, bound) if bound is not None else [end_chain("unknown", use, above)]
    if name in PASSED:
        return [replace(use, node=above)]
    functions = [each for each in def_use.syntax.functions if each.name == name]
    return def_use.given(use, above, functions[0]) if len(functions) == 1 else [end_chain("unknown", use, above)]


@next_uses.register
def of_keyword(above: ast.keyword, def_use: DefUse, use: Use) -> list[Use | UseChain]:
    """A named argument."""
    call = def_use.syntax.parent(above)
    return of_call(call, def_use, use) if isinstance(call, ast.Call) else [end_chain("unknown", use, above)]


@next_uses.register
def of_comprehension(
    above: ast.GeneratorExp | ast.ListComp | ast.SetComp, def_use: DefUse, use: Use
) -> list[Use | UseChain]:
    """Follow the element of a comprehension to the comprehension."""
    return [replace(use, node=above)] if above.elt is use.node else [end_chain("unknown", use, above)]


@next_uses.register
def of_iteration(above: ast.For | ast.AsyncFor | ast.comprehension, def_use: DefUse, use: Use) -> list[Use | UseChain]:
    """Follow the iterable of a loop to the loop's variable."""
    return def_use.named(use, above.target) if above.iter is use.node else [end_chain("unknown", use, above)]


@next_uses.register
def of_container(above: ast.List | ast.Tuple | ast.Set, def_use: DefUse, use: Use) -> list[Use | UseChain]:
    """A list goes on as a whole; what is returned or assigned as one of several, where that can be told."""
    behind = def_use.syntax.parent(above)
    position = next(at for at, each in enumerate(above.elts) if each is use.node)
    if isinstance(behind, ast.Assign):
        return [each for target in behind.targets for each in unpack_to_target(def_use, use, target, position)]
    if isinstance(behind, ast.Return):
        function = def_use.syntax.function_of(behind)
        if function is None or (function.name in RETURNED and position > 0):
            return [end_chain("unknown", use, behind)]
        if function.name in RETURNED:
            return [end_chain("loss", use, behind)]
        return [
            each for call in calls_of(def_use.syntax, function) for each in unpack_result(def_use, use, call, position)
        ] or [end_chain("unknown", use, behind)]
    return [replace(use, node=above)]


def unpack_result(def_use: DefUse, use: Use, call: ast.Call, position: int) -> list[Use | UseChain]:
    """One of several results of a call, where they are told apart."""
    above = def_use.syntax.parent(call)
    if isinstance(above, ast.Assign) and isinstance(above.targets[0], ast.Tuple):
        return unpack_to_target(def_use, use, above.targets[0], position)
    if isinstance(above, ast.Subscript) and above.value is call:
        return [replace(use, node=above)] if def_use.syntax.value(above.slice) == position else []
    return [end_chain("unknown", use, call)]


def unpack_to_target(def_use: DefUse, use: Use, target: ast.AST, position: int) -> list[Use | UseChain]:
    """Follow one of several values to its target."""
    if not isinstance(target, ast.Tuple | ast.List) or any(isinstance(each, ast.Starred) for each in target.elts):
        return [end_chain("unknown", use, target)]
    return (
        def_use.named(use, target.elts[position])
        if position < len(target.elts)
        else [end_chain("unknown", use, target)]
    )


@next_uses.register
def of_dict(above: ast.Dict, def_use: DefUse, use: Use) -> list[Use | UseChain]:
    """``return {"loss": value}`` in a training step, or a dictionary for a log."""
    key = next((key for key, value in zip(above.keys, above.values, strict=True) if value is use.node), None)
    behind = def_use.syntax.parent(above)
    function = def_use.syntax.function_of(above)
    if isinstance(behind, ast.Return) and function is not None and function.name in RETURNED:
        is_loss = isinstance(key, ast.Constant) and key.value == "loss"
        return [end_chain("loss" if is_loss else "reported", use, behind)]
    if isinstance(behind, ast.Call) and REPORTS.search(re.split(r"[.:]", call_of(def_use.syntax, behind).name)[-1]):
        return [end_chain("reported", use, behind)]
    return [end_chain("unknown", use, above)]


@next_uses.register
def of_return(above: ast.Return, def_use: DefUse, use: Use) -> list[Use | UseChain]:
    """The value of a function."""
    function = def_use.syntax.function_of(above)
    return def_use.called(use, function) if function is not None else [end_chain("unknown", use, above)]


@next_uses.register
def of_lambda(above: ast.Lambda, def_use: DefUse, use: Use) -> list[Use | UseChain]:
    """The value of a lambda, where it has a name."""
    behind = def_use.syntax.parent(above)
    target = behind.targets[0] if isinstance(behind, ast.Assign) and len(behind.targets) == 1 else None
    if above.body is not use.node or not isinstance(target, ast.Name):
        return [end_chain("unknown", use, above)]
    calls = [each for each in map(def_use.syntax.parent, def_use.uses(target)) if isinstance(each, ast.Call)]
    return [replace(use, node=each) for each in calls] or [end_chain("unknown", use, above)]


@next_uses.register
def of_assignment(above: ast.Assign, def_use: DefUse, use: Use) -> list[Use | UseChain]:
    """``a = b = value``."""
    return [each for target in above.targets for each in def_use.named(use, target)]


@next_uses.register
def of_statement(above: ast.Expr, def_use: DefUse, use: Use) -> list[Use | UseChain]:
    """A value that nothing is done with; a notebook shows the last one of a cell."""
    return [end_chain("reported" if def_use.syntax.is_notebook else "unused", use, above)]


@next_uses.register
def of_choice(above: ast.IfExp, def_use: DefUse, use: Use) -> list[Use | UseChain]:
    """``value if test else other``."""
    return [end_chain("unknown", use, above)] if above.test is use.node else [replace(use, node=above)]


@next_uses.register
def of_walrus(above: ast.NamedExpr, def_use: DefUse, use: Use) -> list[Use | UseChain]:
    """``(name := value)``."""
    return [replace(use, node=above), *def_use.named(use, above.target)]


@next_uses.register
def of_sign(above: ast.UnaryOp | ast.Starred, def_use: DefUse, use: Use) -> list[Use | UseChain]:
    """The value goes on as it is, or with another sign."""
    return [replace(use, node=above)]


@next_uses.register
def of_formatted(above: ast.FormattedValue, def_use: DefUse, use: Use) -> list[Use | UseChain]:
    """The value is part of a text."""
    return [end_chain("reported", use, above)]


@next_uses.register
def of_annotated(above: ast.AnnAssign, def_use: DefUse, use: Use) -> list[Use | UseChain]:
    """``a: type = value``."""
    return def_use.named(use, above.target)
