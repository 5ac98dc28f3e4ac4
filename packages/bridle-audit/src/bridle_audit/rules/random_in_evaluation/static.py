"""Functions within a module that drop in every mode: nobody tells them which it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.random_in_evaluation.finding import ATTENTION, DROPOUT
from bridle_audit.static import Call as Written
from bridle_audit.static import Program
from bridle_audit.static.dataflow.stated import stated_number

FORGETFUL = [f"torch.nn.functional.dropout{axes}" for axes in ("", "1d", "2d", "3d")]  # training=True unless said


def check(program: Program) -> Iterator[Finding]:
    """Functions within a module that drop in every mode: nobody tells them which it is."""
    for call in program.calls(*FORGETFUL):
        if always_on(program, call) and not call.states(2, "training") and drops(call, 1, "p", 0.5):
            yield Finding(
                program.source(call.node),
                f"{call.name.rpartition('.')[2]} drops in evaluation mode too: training is True where nothing is said",
                DROPOUT,
                location=call.location,
            )
    for call in program.calls("torch.nn.functional.scaled_dot_product_attention"):
        if always_on(program, call) and drops(call, 4, "dropout_p", 0.0):
            yield Finding(
                program.source(call.node),
                "attention with such a dropout_p drops in evaluation mode too: it knows of no mode",
                ATTENTION,
                location=call.location,
            )


def always_on(program: Program, call: Written) -> bool:
    """Whether a call stands in the forward of a module, and nothing around it asks for the mode."""
    if call.open or call.function is None or call.function.name != "forward":
        return False
    around: ast.AST | None = call.node
    while around is not None and around is not call.function:
        if isinstance(around, ast.If | ast.IfExp | ast.BoolOp) and asks(program, around):
            return False
        around = program.parent(around)
    return not asks(program, call.function) and not switches(program, call)


def switches(program: Program, call: Written) -> bool:
    """Whether the class around a call changes something of its own with the mode."""
    around = program.class_of(call.node)
    methods = around.body if around is not None else []
    return any(isinstance(each, ast.FunctionDef) and each.name in ("train", "eval") for each in methods)


def drops(call: Written, position: int, keyword: str, default: float) -> bool:
    """Whether the rate of a call is above zero; one that the module holds, as ``self.rate``, counts as such."""
    rate, stated = stated_number(call, position, keyword, default), call.argument(position, keyword)
    return rate > 0 if rate is not None else isinstance(stated, ast.Attribute)


def asks(program: Program, node: ast.AST) -> bool:
    """Whether the text says anything of the mode."""
    return "training" in program.source(node)
