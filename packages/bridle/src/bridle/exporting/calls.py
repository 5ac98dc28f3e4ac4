"""Calls of a regularizer's formulas, as code."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable

from bridle.card import card_of
from bridle.errors import InputError
from bridle.exporting.formulas import copy_function
from bridle.exporting.script import Script
from bridle.places import Draw
from bridle.places.base import Placed
from bridle.protocol import Protocol

__all__ = ["as_matrix", "call", "formula", "method", "noise", "packed_state", "remark", "step_inputs", "summary_of"]

MATRIX = "as_matrix"


def call(function: str, *inputs: str) -> str:
    """Return the call ``function(inputs)``, without inputs that are empty."""
    return f"{function}({', '.join(filter(None, inputs))})"


def packed_state(unit: Placed, fields: Iterable[str]) -> list[str]:
    """Return the state as a formula takes it, made of its fields; nothing where there is none."""
    return [call(type(unit.state).__name__, *fields)] if unit.state else []


def formula(script: Script, unit: Placed) -> str:
    """Copy a regularizer's formula into the script; return its name."""
    return copy_function(script, type(unit).torch)


def method(script: Script, unit: Placed, function: Callable[..., object], subject: int = 0) -> str:
    """Copy a method of a formula, such as ``evaluate``; return its name, empty if it only returns its subject."""
    if returned_argument(function) == subject:
        return ""
    return copy_function(script, function, formula(script, unit))


def returned_argument(function: Callable[..., object]) -> int | None:
    """Return the position of the argument that a function returns as it is, if it does nothing else."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(node, ast.FunctionDef)
    *before, last = node.body
    returned = last.value if isinstance(last, ast.Return) else None
    if not isinstance(returned, ast.Name) or not all(isinstance(each, ast.Delete | ast.Expr) for each in before):
        return None
    names = [each.arg for each in node.args.args]
    return names.index(returned.id) if returned.id in names else None


def noise(draw: Draw, subject: str, axes: int) -> str:
    """Return the code that draws the noise for a subject with so many axes; 0 where they are not known."""
    kind = {"uniform": "torch.rand_like", "normal": "torch.randn_like"}[draw.kind]
    own = {"value": axes, "channel": 2, "row": 1, "batch": 0}[draw.each]
    if not axes and draw.each != "value":
        raise InputError(f"noise with one draw for each {draw.each} cannot be written for parameters of any shape")
    if own == axes:
        return f"{kind}({subject})"
    return f"{kind}({subject}[{', '.join([':'] * own + [':1'] * (axes - own))}])"


def step_inputs(unit: Placed, protocol: Protocol) -> list[str]:
    """Return the step's numbers that a formula takes, as keyword arguments."""
    rate = repr(protocol.peak_lr)
    known = {"step": "step", "steps": "steps", "lr": rate if protocol.schedule == "constant" else "lr", "peak": rate}
    return [f"{name}={code}" for name, code in known.items() if name in unit.step_inputs]


def as_matrix(script: Script) -> str:
    """Define the function that makes a matrix of any weight; return its name."""
    return script.define(
        MATRIX,
        [
            f"def {MATRIX}(w: Tensor) -> Tensor:",
            '    """Any parameter as (outputs, inputs, positions)."""',
            "    return w.flatten(2) if w.ndim > 2 else w.view(*w.shape, *[1] * (3 - w.ndim))",
        ],
    )


def summary_of(unit: Placed) -> str:
    """Return the first sentence of a regularizer's card."""
    leaf: type = type(unit)
    return card_of(leaf).summary


def remark(unit: Placed) -> list[str]:
    """Return the comment that says what a regularizer does."""
    summary = summary_of(unit)
    first, _, rest = summary.partition(" ")
    lowered = first if first[1:] != first[1:].lower() else first.lower()
    return [f"# {unit!r}: {lowered} {rest}" if summary else f"# {unit!r}"]
