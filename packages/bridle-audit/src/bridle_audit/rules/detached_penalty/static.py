"""Penalties that reach a loss, cut off from their weights on every way."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.detached_penalty.finding import CURE
from bridle_audit.static import Program
from bridle_audit.static.dataflow.penalties import penalties_of


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a penalty that is detached from its weights before it is added to the loss."""
    for penalty in penalties_of(program):
        if penalty.detached is not None:
            yield Finding(
                penalty.source,
                f"{describe_cut(program, penalty.detached)} cuts the penalty off from its weights: it is added to the "
                "loss and has no gradient",
                CURE,
                location=penalty.location,
            )


def describe_cut(program: Program, cut: ast.AST) -> str:
    """Return the code that detaches the penalty, such as ``.detach()`` or ``with torch.no_grad()``."""
    if isinstance(cut, ast.FunctionDef | ast.AsyncFunctionDef):
        return f"torch.no_grad() around {cut.name}()"
    if isinstance(cut, ast.With | ast.AsyncWith):
        return f"with {', '.join(program.source(each) for each in cut.items)}"
    if isinstance(cut, ast.Call) and isinstance(cut.func, ast.Attribute):
        return f".{cut.func.attr}()"
    return f".{cut.attr}" if isinstance(cut, ast.Attribute) else program.source(cut)
