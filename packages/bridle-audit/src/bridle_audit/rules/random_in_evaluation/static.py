"""Functions within a module that drop in every mode: nobody tells them which it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.random_in_evaluation.finding import ATTENTION, DROPOUT
from bridle_audit.static import Call, Program
from bridle_audit.static.dataflow.stated import stated_number

# these have training=True by default
DROPOUT_FUNCTIONS = [f"torch.nn.functional.dropout{axes}" for axes in ("", "1d", "2d", "3d")]


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a functional dropout in a module that ignores the mode."""
    for call in program.calls(*DROPOUT_FUNCTIONS):
        if ignores_mode(program, call) and not call.states(2, "training") and has_positive_rate(call, 1, "p", 0.5):
            yield Finding(
                program.source(call.node),
                f"{call.name.rpartition('.')[2]} drops in evaluation mode too: training is True where nothing is said",
                DROPOUT,
                location=call.location,
            )
    for call in program.calls("torch.nn.functional.scaled_dot_product_attention"):
        if ignores_mode(program, call) and has_positive_rate(call, 4, "dropout_p", 0.0):
            yield Finding(
                program.source(call.node),
                "attention with such a dropout_p drops in evaluation mode too: it knows of no mode",
                ATTENTION,
                location=call.location,
            )


def ignores_mode(program: Program, call: Call) -> bool:
    """Return True if a call is in the ``forward`` of a module and does not depend on ``training``."""
    if call.open or call.function is None or call.function.name != "forward":
        return False
    around: ast.AST | None = call.node
    while around is not None and around is not call.function:
        if isinstance(around, ast.If | ast.IfExp | ast.BoolOp) and reads_mode(program, around):
            return False
        around = program.parent(around)
    return not reads_mode(program, call.function) and not overrides_mode(program, call)


def overrides_mode(program: Program, call: Call) -> bool:
    """Return True if the class around a call overrides ``train`` or ``eval``."""
    around = program.class_of(call.node)
    methods = around.body if around is not None else []
    return any(isinstance(each, ast.FunctionDef) and each.name in ("train", "eval") for each in methods)


def has_positive_rate(call: Call, position: int, keyword: str, default: float) -> bool:
    """Return True if the rate of a call is above zero, or is an attribute such as ``self.rate``."""
    rate, stated = stated_number(call, position, keyword, default), call.argument(position, keyword)
    return rate > 0 if rate is not None else isinstance(stated, ast.Attribute)


def reads_mode(program: Program, node: ast.AST) -> bool:
    """Return True if the source of a node mentions ``training``."""
    return "training" in program.source(node)
