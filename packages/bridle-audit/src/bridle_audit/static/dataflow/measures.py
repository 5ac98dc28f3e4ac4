"""Measures of the size of weights in a program: squares, absolute values and norms."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from bridle_audit.static.constants.folding import UNKNOWN
from bridle_audit.static.dataflow.weights import Weights, weights
from bridle_audit.static.facts.calls import Call, call_of
from bridle_audit.static.syntax import Syntax

__all__ = ["measures"]

SQUARES = ("torch.square", "keras.ops.square", "tensorflow.square", "tensorflow.math.square", "method:square")
POWERS = ("torch.pow", "keras.ops.power", "tensorflow.pow", "tensorflow.math.pow", "method:pow")
ABSOLUTES = (
    "torch.abs",
    "keras.ops.abs",
    "keras.ops.absolute",
    "tensorflow.abs",
    "tensorflow.math.abs",
    "method:abs",
    "abs",
)
SUMS = (
    *("torch.sum", "torch.mean", "method:sum", "method:mean", "keras.ops.sum", "keras.ops.mean"),
    *("tensorflow.reduce_sum", "tensorflow.reduce_mean", "tensorflow.math.reduce_sum", "tensorflow.math.reduce_mean"),
)
NORMS = (
    "method:norm",
    "torch.norm",
    "torch.linalg.norm",
    "torch.linalg.vector_norm",
    "tensorflow.norm",
    "keras.ops.norm",
)
DISTANCES = {
    "torch.nn.functional.l1_loss": "l1",
    "torch.nn.functional.mse_loss": "l2",
    "torch.nn.L1Loss": "l1",
    "torch.nn.MSELoss": "l2",
}
ZEROS = ("torch.zeros_like", "torch.zeros", "method:new_zeros")


@dataclass(frozen=True)
class Measure:
    """One norm of weights, or sum of their squares or absolute values."""

    node: ast.Call
    kind: str  # "l1", "l2" or "other"
    squared: bool
    weights: Weights


def measures(syntax: Syntax) -> Iterator[Measure]:
    """All of a program, in the order of the file."""
    for node in syntax.nodes(ast.Call):
        found = measure(syntax, call_of(syntax, node))
        if found is not None and found.weights.shifted:
            found = replace(found, kind="other")
        if found is not None:
            yield found


def measure(syntax: Syntax, call: Call) -> Measure | None:
    """Return the measure that a call computes; None if it measures no weight."""
    if call.name in SUMS:
        return of_sum(syntax, call)
    if call.name in NORMS:
        return of_norm(syntax, call)
    if call.name == "tensorflow.nn.l2_loss":
        held = operand(syntax, call)
        return Measure(call.node, "l2", True, held) if held else None
    if call.name == "torch.dot" and len(call.node.args) == 2:
        held = operand(syntax, call)
        same = held is not None and ast.unparse(call.node.args[0]) == ast.unparse(call.node.args[1])
        return Measure(call.node, "l2", True, held) if held and same else None
    return of_distance(syntax, call)


def operand(syntax: Syntax, call: Call) -> Weights | None:
    """The weights that a function is given first, or a method is called on."""
    node = operand_node(call)
    return weights(syntax, node) if node is not None else None


def operand_node(call: Call) -> ast.expr | None:
    """Return a method's receiver, or a function's first argument."""
    if call.name.startswith("method:"):
        return call.receiver
    return call.node.args[0] if call.node.args and not isinstance(call.node.args[0], ast.Starred) else None


def next_position(call: Call) -> int:
    """Return the position of the argument behind the operand."""
    return 0 if call.name.startswith("method:") else 1


def of_sum(syntax: Syntax, call: Call) -> Measure | None:
    """A sum or mean of squares or absolute values; along an axis it is one of groups."""
    node = operand_node(call)
    found = elementwise(syntax, node) if node is not None else None
    if found is None:
        return None
    kind, held = found
    along = call.states(next_position(call), "dim") or call.states(None, "axis")
    return Measure(call.node, "other" if along else kind, kind == "l2" and not along, held)


def elementwise(syntax: Syntax, node: ast.expr) -> tuple[str, Weights] | None:
    """Squares or absolute values of weights, one by one: their kind, and the weights."""
    if isinstance(node, ast.BinOp):
        return of_operator(syntax, node)
    if not isinstance(node, ast.Call):
        return None
    call = call_of(syntax, node)
    if call.name in ABSOLUTES:
        kind = "l1"
    elif call.name in SQUARES or (call.name in POWERS and call.value(next_position(call), "exponent") == 2):
        kind = "l2"
    else:
        return None
    held = operand(syntax, call)
    return (kind, held) if held else None


def of_operator(syntax: Syntax, node: ast.BinOp) -> tuple[str, Weights] | None:
    """``w ** 2``, ``w * w``, and squares with a number or with weights of their own in front."""
    if isinstance(node.op, ast.Pow) and syntax.value(node.right) == 2:
        held = weights(syntax, node.left)
        return ("l2", held) if held else None
    if not isinstance(node.op, ast.Mult):
        return None
    if ast.unparse(node.left) == ast.unparse(node.right):
        held = weights(syntax, node.left)
        return ("l2", held) if held else None
    for side, other in ((node.left, node.right), (node.right, node.left)):
        found = elementwise(syntax, side)
        if found is not None:
            return found if syntax.number(other) is not None else ("other", found[1])
    return None


def of_norm(syntax: Syntax, call: Call) -> Measure | None:
    """A norm; that of order 2 without an axis may be squared behind it."""
    held = operand(syntax, call)
    if held is None:
        return None
    order: Any = call.value(next_position(call), "ord" if "linalg" in call.name else "p", 2)
    along = call.states(next_position(call) + 1, "dim") or call.states(None, "axis")
    is_matrix_norm = call.name == "torch.linalg.norm" and order not in (2, "fro")
    if along or is_matrix_norm or order is UNKNOWN or order not in (1, 2, "fro", "euclidean"):
        return Measure(call.node, "other", False, held)
    return Measure(call.node, "l1" if order == 1 else "l2", order != 1 and is_squared(syntax, call.node), held)


def is_squared(syntax: Syntax, node: ast.expr) -> bool:
    """Return True if the enclosing expression squares a norm."""
    above = syntax.parent(node)
    if isinstance(above, ast.BinOp):
        return isinstance(above.op, ast.Pow) and above.left is node and syntax.value(above.right) == 2
    if isinstance(above, ast.Attribute):
        above = syntax.parent(above)
    if not isinstance(above, ast.Call):
        return False
    call = call_of(syntax, above)
    return call.name in SQUARES or (call.name in POWERS and call.value(next_position(call), "exponent") == 2)


def of_distance(syntax: Syntax, call: Call) -> Measure | None:
    """A loss between weights and zeros: ``F.mse_loss(w, torch.zeros_like(w))``."""
    target = call.argument(1, "target")
    if not isinstance(target, ast.Call) or call_of(syntax, target).name not in ZEROS:
        return None
    name = call.name
    if name == "?" or name.startswith("method:"):
        meant = syntax.bindings(call.node.func) if isinstance(call.node.func, ast.Name) else []
        made = meant[0] if len(meant) == 1 else None
        name = str(syntax.resolve(made.func)) if isinstance(made, ast.Call) else name
    held = weights(syntax, call.node.args[0]) if call.node.args else None
    return Measure(call.node, DISTANCES[name], DISTANCES[name] == "l2", held) if held and name in DISTANCES else None
