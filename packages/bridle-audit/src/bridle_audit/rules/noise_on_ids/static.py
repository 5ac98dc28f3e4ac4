"""What is rounded after such a change, and given to an embedding, or to a network that has one."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.static import Program
from bridle_audit.static.dataflow.identifiers import words
from bridle_audit.static.dataflow.modes import network_of
from bridle_audit.static.dataflow.tracing import constructor_name, factors, source_expressions, target_names

CURE = (
    "vectors = embedding(ids)\n"
    "mixed = share * vectors + (1 - share) * vectors[other]  # or noise, or dropout: on what is looked up"
)
CASTS = ("long", "int")
INTEGERS = ("torch.long", "torch.int", "torch.int64", "torch.int32")
NOISE = ("torch.randn_like", "torch.rand_like", "torch.normal")
DROPOUTS = ("torch.nn.functional.dropout", "torch.dropout")


def check(program: Program) -> Iterator[Finding]:
    """What is rounded after such a change, and given to an embedding, or to a network that has one."""
    for value in program.nodes(ast.Call) if "mbedding" in program.text else ():
        inner = cast(program, value)
        what = change(program, inner) if inner is not None else ""
        if what and any(looks_up(program, each.func) for each in given_to(program, value)):
            yield Finding(
                program.source(value),
                f"ids are {what} and rounded to integers again: they then stand for other words or categories",
                CURE,
                location=program.location(value),
            )


def given_to(program: Program, value: ast.Call) -> list[ast.Call]:
    """The calls that are given a value, or the variable that it is assigned to in the same function."""
    home, statement = program.function_of(value), program.statement_of(value)
    assigns = isinstance(statement, ast.Assign) and statement.value is value
    held = (
        set().union(*map(target_names, statement.targets)) if isinstance(statement, ast.Assign) and assigns else set()
    )
    calls = [each for each in program.nodes(ast.Call) if program.function_of(each) is home]
    return [
        call
        for call in calls
        if any(each is value or (isinstance(each, ast.Name) and each.id in held) for each in call.args)
    ]


def looks_up(program: Program, callee: ast.expr) -> bool:
    """Whether what is called takes ids: an embedding, or a network that has one."""
    if program.resolve(callee) == "torch.nn.functional.embedding":
        return True
    if not isinstance(callee, ast.Name | ast.Attribute) or program.resolve(callee) is not None:
        return False
    if constructor_name(program, callee) in ("torch.nn.Embedding", "torch.nn.EmbeddingBag"):
        return True
    network = network_of(program, callee)
    if network is None and "model" in words(callee):
        whole = [each for each in program.networks if not each.is_part]
        network = whole[0] if len(whole) == 1 else None
    return network is not None and "nn.Embedding(" in program.source(network.node)


def cast(program: Program, value: ast.expr) -> ast.expr | None:
    """What is made an integer: x in ``x.long()``, ``x.round().long()``, ``x.to(torch.long).clamp(min=0)``."""
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute):
        return None
    if value.func.attr in ("clamp", "clamp_", "clip"):
        return cast(program, value.func.value)
    named = value.func.attr in CASTS and not value.args
    typed = value.func.attr in ("to", "type") and any(program.resolve(each) in INTEGERS for each in value.args)
    return value.func.value if named or typed else None


def change(program: Program, expr: ast.expr) -> str:
    """What is done to ids within an expression, in a word; empty where it is nothing of the kind."""
    for each in ast.walk(expr):
        if isinstance(each, ast.Call) and program.resolve(each.func) in DROPOUTS:
            return "put through a dropout"
        if isinstance(each, ast.Call) and constructor_name(program, each.func) == "torch.nn.Dropout":
            return "put through a dropout"
        if isinstance(each, ast.BinOp) and isinstance(each.op, ast.Add):
            if any(is_noise(program, part) for part in (each.left, each.right)):
                return "given noise"
            if is_mixture(each):
                return "mixed"
    return ""


def is_noise(program: Program, expr: ast.expr) -> bool:
    """``torch.randn_like(x)``, ``0.1 * torch.randn_like(x)``, or a variable that is that."""
    inner = [part for each in [expr, *source_expressions(program, expr)] for part in factors(each)[0]]
    return any(isinstance(each, ast.Call) and program.resolve(each.func) in NOISE for each in inner)


def is_mixture(node: ast.BinOp) -> bool:
    """``a * x + (1 - a) * y``."""
    shares = [ast.unparse(each) for side in (node.left, node.right) for each in factors(side)[0]]
    return any(f"1 - {each}" in shares or f"1.0 - {each}" in shares for each in shares)
