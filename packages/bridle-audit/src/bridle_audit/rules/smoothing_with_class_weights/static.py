"""A loss for which both are stated; with weights that are not known, it is a note."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.smoothing_with_class_weights.finding import CURE, describe_distortion
from bridle_audit.static import Program
from bridle_audit.static.dataflow.smoothing import smoothing_calls
from bridle_audit.static.dataflow.tracing import assigned_values, constructor_call, passed_arguments

WEIGHTS = {"torch.nn.CrossEntropyLoss": (0, "weight"), "torch.nn.functional.cross_entropy": (2, "weight")}
WRITTEN = ("torch.tensor", "torch.as_tensor", "torch.FloatTensor", "torch.Tensor")


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a loss with label smoothing and class weights; a note if these are unknown."""
    for call, smoothing in smoothing_calls(program):
        weight = call.argument(*WEIGHTS[call.name]) if call.name in WEIGHTS else None
        if weight is None:
            continue
        weights = literal_numbers(program, weight)
        message = describe_distortion(weights, smoothing) if weights else ""
        if message or (not weights and is_never_none(program, weight)):
            general = (
                f"label smoothing of {smoothing:g} with class weights: the part that goes to a class is multiplied by "
                "its weight, so rows of light classes are smoothed more than that, and towards the heavy ones"
            )
            severity = "" if message else "note"
            yield Finding(
                call.name, message or general, CURE, {"smoothing": smoothing}, call.location, severity=severity
            )


def literal_numbers(program: Program, expr: ast.expr) -> list[float]:
    """Return the numbers of a tensor that is written as a literal; empty if they are unknown."""
    made = constructor_call(program, expr)
    if made is None:
        return []
    if isinstance(made.func, ast.Attribute) and made.func.attr in ("to", "cuda", "float", "double"):
        return literal_numbers(program, made.func.value)
    written = program.resolve(made.func) in WRITTEN and made.args
    values = program.value(made.args[0]) if written else None
    plain = isinstance(values, list | tuple) and all(isinstance(each, int | float) for each in values)
    return [float(each) for each in values] if plain and values else []


def is_never_none(program: Program, expr: ast.expr) -> bool:
    """Return True if the class weights are never None: a call, arithmetic or a required parameter."""
    held = [expr] if not isinstance(expr, ast.Name | ast.Attribute) else assigned_values(program, expr)
    if not held and isinstance(expr, ast.Name) and is_required(program, expr):
        held = passed_arguments(program, expr)
        return all(isinstance(each, ast.Call | ast.BinOp | ast.Name | ast.Attribute) for each in held)
    return bool(held) and all(isinstance(each, ast.Call | ast.BinOp) for each in held)


def is_required(program: Program, name: ast.Name) -> bool:
    """Return True if a name is a parameter of its function without a default."""
    function = program.function_of(name)
    if function is None or program.bindings(name) != [None]:
        return False
    plain = [*function.args.posonlyargs, *function.args.args]
    return name.id in [each.arg for each in plain[: len(plain) - len(function.args.defaults)]]
