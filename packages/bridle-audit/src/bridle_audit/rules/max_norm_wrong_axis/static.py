"""Norms along the outputs of a layer's weight, by which the weight is rescaled."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.static import Call, Program
from bridle_audit.static.dataflow.weights import is_own_parameter

NORMS = ("method:norm", "torch.norm", "torch.linalg.norm", "torch.linalg.vector_norm")
TRANSPOSED = re.compile(r"torch\.nn\.(?:ConvTranspose|LazyConvTranspose)")
WRITES = ("copy_", "mul_", "div_")
LIMITED = re.compile(r"clamp|clip|minimum|maximum|torch\.min|torch\.max|where|\bif\b")
DICTIONARY = re.compile(r"(?i)dec|dict|atom")  # layers whose columns are what is bounded: a dictionary's


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a max-norm that limits the outgoing instead of the incoming weights."""
    if "torch" not in program.text or any(map(TRANSPOSED.match, program.calls_by_name)):
        return
    for call in [*program.calls("torch.renorm", "method:renorm", "method:renorm_"), *program.calls(*NORMS)]:
        weight = weight_of(program, call)
        if weight is None:
            continue
        axis = axis_of(call)
        is_renorm = "renorm" in call.name
        if axis == (1 if is_renorm else 0) and (is_renorm or is_rescaled(program, call, weight)):
            right = f"dim={0 if is_renorm else 1}"
            yield Finding(
                program.source(call.node),
                f"dim={axis} makes this the norm of what leaves each input: a row of {weight} is what enters a unit",
                f"torch.renorm({weight}, 2, {right}, limit)"
                if is_renorm
                else f"{weight}.norm(2, {right}, keepdim=True)",
                location=call.location,
            )


def weight_of(program: Program, call: Call) -> str | None:
    """Return the source of the layer weight whose norm is taken; None for any other tensor."""
    node = call.receiver if call.name.startswith("method:") else call.argument(0, "input")
    while isinstance(node, ast.Attribute) and node.attr == "data":
        node = node.value
    if not isinstance(node, ast.Attribute) or node.attr != "weight" or is_own_parameter(program, node):
        return None
    return None if DICTIONARY.search(program.source(node)) else program.source(node)


def axis_of(call: Call) -> object:
    """Return the ``dim`` of a call: the axis that a norm reduces, or that ``renorm`` keeps."""
    shift = 0 if call.name.startswith("method:") else 1
    return call.value(1 + shift, "dim")


def is_rescaled(program: Program, call: Call, weight: str) -> bool:
    """Return True if the same function rescales the weight by a bounded value of the norm."""
    statement = call.statement
    names = (
        {each.id for each in ast.walk(statement) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
        if statement
        else set()
    )
    around = program.source(call.function or program.tree)
    if call.value(None, "keepdim") is not True or not LIMITED.search(around):
        return False
    for other in program.statements_in_order(call.function):
        if writes_weight(program, other, weight) and (
            other is statement or names & variables_read(program, other, call)
        ):
            return True
    return False


def variables_read(program: Program, statement: ast.stmt, call: Call) -> set[str]:
    """Return the variables that a statement reads, with those they are computed from in the function."""
    names = {each.id for each in ast.walk(statement) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}
    for other in program.statements_in_order(call.function):
        if isinstance(other, ast.Assign) and any(
            isinstance(each, ast.Name) and each.id in names for each in other.targets
        ):
            names |= {each.id for each in ast.walk(other.value) if isinstance(each, ast.Name)}
    return names


def writes_weight(program: Program, statement: ast.stmt, weight: str) -> bool:
    """Return True if a statement assigns a weight or modifies it in place."""
    if isinstance(statement, ast.Assign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return any(program.source(each) in (weight, f"{weight}.data") for each in targets)
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return False
    return call.func.attr in WRITES and program.source(call.func.value) in (weight, f"{weight}.data")
