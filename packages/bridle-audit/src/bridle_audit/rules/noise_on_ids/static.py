"""Embeddings of ids that were mixed, dropped or given noise, and then cast to integers again."""

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
    """Yield a finding for each embedding of ids that were changed and cast to integers again."""
    for value in program.nodes(ast.Call) if "mbedding" in program.text else ():
        inner = cast_operand(program, value)
        what = describe_change(program, inner) if inner is not None else ""
        if what and any(takes_ids(program, each.func) for each in consumers(program, value)):
            yield Finding(
                program.source(value),
                f"ids are {what} and rounded to integers again: they then stand for other words or categories",
                CURE,
                location=program.location(value),
            )


def consumers(program: Program, value: ast.Call) -> list[ast.Call]:
    """Return the calls in the same function that take a value, or the variable it is assigned to."""
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


def takes_ids(program: Program, callee: ast.expr) -> bool:
    """Return True if a callable is an embedding, or a network that contains one."""
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


def cast_operand(program: Program, value: ast.expr) -> ast.expr | None:
    """Return x in ``x.long()``, ``x.round().long()`` and ``x.to(torch.long).clamp(min=0)``; else None."""
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute):
        return None
    if value.func.attr in ("clamp", "clamp_", "clip"):
        return cast_operand(program, value.func.value)
    named = value.func.attr in CASTS and not value.args
    typed = value.func.attr in ("to", "type") and any(program.resolve(each) in INTEGERS for each in value.args)
    return value.func.value if named or typed else None


def describe_change(program: Program, expr: ast.expr) -> str:
    """Return how an expression changes ids, in words; empty if it does not."""
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
    """Return True for ``torch.randn_like(x)``, ``0.1 * torch.randn_like(x)``, or a variable assigned from it."""
    inner = [part for each in [expr, *source_expressions(program, expr)] for part in factors(each)[0]]
    return any(isinstance(each, ast.Call) and program.resolve(each.func) in NOISE for each in inner)


def is_mixture(node: ast.BinOp) -> bool:
    """Return True for ``a * x + (1 - a) * y``."""
    shares = [ast.unparse(each) for side in (node.left, node.right) for each in factors(side)[0]]
    return any(f"1 - {each}" in shares or f"1.0 - {each}" in shares for each in shares)
