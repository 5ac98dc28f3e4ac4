"""Label smoothing as programs state it, and what it leaves of the labels."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator

from bridle_audit.static.dataflow.tracing import constructor_call, factors, source_expressions
from bridle_audit.static.facts.calls import Call, call_of
from bridle_audit.static.program import Program

__all__ = ["classes_of", "remaining_information", "smoothed_targets", "smoothing_calls"]

# Where each of the calls that smooth takes its share, and what it is where that is not stated.
STATED: dict[str, tuple[int | None, str, float]] = {
    "torch.nn.CrossEntropyLoss": (5, "label_smoothing", 0.0),
    "torch.nn.functional.cross_entropy": (7, "label_smoothing", 0.0),
    "keras.losses.CategoricalCrossentropy": (1, "label_smoothing", 0.0),
    "keras.losses.BinaryCrossentropy": (1, "label_smoothing", 0.0),
    "keras.losses.CategoricalFocalCrossentropy": (3, "label_smoothing", 0.0),
    "timm.loss.LabelSmoothingCrossEntropy": (0, "smoothing", 0.1),
    "transformers.TrainingArguments": (None, "label_smoothing_factor", 0.0),
    "transformers.Seq2SeqTrainingArguments": (None, "label_smoothing_factor", 0.0),
}
MIXUPS = ("timm.data.Mixup", "timm.data.mixup.Mixup", "timm.data.FastCollateMixup")
OUTPUTS: dict[str, tuple[int, str]] = {"torch.nn.Linear": (1, "out_features"), "keras.layers.Dense": (0, "units")}
CLOSE = 1e-9


def smoothing_calls(program: Program) -> Iterator[tuple[Call, float]]:
    """The calls that smooth labels, with the share that they spread, where that is known and not 0."""
    for call in program.calls(*STATED):
        share = call.number(*STATED[call.name])
        if share is not None and 0 < share <= 1:
            yield call, share


def classes_of(program: Program, call: Call) -> int | None:
    """Return the number of classes of the loss that a call makes; None if the file does not show it."""
    if call.name == "keras.losses.BinaryCrossentropy":
        return 2
    sizes = set()
    for loss in program.losses:
        if loss.constructor.node is call.node:
            linear = next((each for each in reversed(loss.logits) if each.name in OUTPUTS), None)
            sizes.add(linear.number(*OUTPUTS[linear.name]) if linear is not None else None)
    found = sizes.pop() if len(sizes) == 1 else None
    return int(found) if found is not None and found >= 2 else None


def smoothed_targets(program: Program, target: ast.expr, depth: int = 3) -> float | None:
    """The share by which targets are smoothed before they reach a loss; None where the file does not show any.

    Known are ``y * (1 - e) + e / classes``, in the expression itself, in what its variables are assigned, and in what
    functions of the file return; and timm's ``Mixup``.
    """
    for expr in ast.walk(target):
        share = smoothed_here(program, expr)
        if share is None and depth:
            inner = (smoothed_targets(program, each, depth - 1) for each in source_expressions(program, expr))
            share = next((each for each in inner if each is not None), None)
        if share is not None:
            return share
    return None


def smoothed_here(program: Program, expr: ast.AST) -> float | None:
    """The share, if an expression is the formula of smoothing, or the call of a transform that smooths."""
    if isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.Add):
        return share_of_formula(program, expr.left, expr.right) or share_of_formula(program, expr.right, expr.left)
    if isinstance(expr, ast.Name):
        above = (program.parent(each) for each in program.uses(expr))
        calls = [program.parent(each) for each in above if isinstance(each, ast.Attribute) and each.attr == "scatter_"]
        found = (share_of_scatter(program, each, expr) for each in calls if isinstance(each, ast.Call))
        return next((each for each in found if each is not None), None)
    if (
        isinstance(expr, ast.Call)
        and isinstance(expr.func, ast.Attribute)
        and expr.func.attr in ("scatter", "scatter_")
    ):
        return share_of_scatter(program, expr, expr.func.value)
    if isinstance(expr, ast.Call):
        made = constructor_call(program, expr.func)
        if made is not None and made is not expr and program.resolve(made.func) in MIXUPS:
            return call_of(program, made).number(7, "label_smoothing", 0.1) or None
    return None


def share_of_formula(program: Program, kept: ast.AST, spread: ast.AST) -> float | None:
    """The share e in ``y * (1 - e) + e / classes``."""
    (most, _), (above, below) = factors(kept), factors(spread)
    shares = [each for each in map(program.number, above) if each is not None and 0 < each < 1]
    rests = [each for each in map(program.number, most) if each is not None]
    if not below or len(most) < 2:
        return None
    return next((each for each in shares if any(abs(1 - each - rest) < CLOSE for rest in rests)), None)


def share_of_scatter(program: Program, call: ast.Call, onto: ast.expr) -> float | None:
    """The share e in ``torch.full(shape, e / (classes - 1)).scatter_(1, y, 1 - e)``."""
    made = constructor_call(program, onto)
    given = [*call.args[2:3], *(each.value for each in call.keywords if each.arg == "value")]
    own = program.number(given[0]) if given else None
    if made is None or own is None or program.resolve(made.func) not in ("torch.full", "torch.full_like"):
        return None
    fill = call_of(program, made).argument(1, "fill_value")
    above, below = factors(fill) if fill is not None else ([], [])
    shares = [each for each in map(program.number, above) if each is not None]
    return next((each for each in shares if below and abs(1 - each - own) < CLOSE), None)


def remaining_information(smoothing: float, classes: int) -> float:
    """The share of a label's information that smoothing leaves; 0 where the true class is not the likeliest any more.

    It is log K - H of log K, where H is the entropy of a smoothed target of K classes.

    >>> round(remaining_information(0.1, 10), 3), round(remaining_information(0.9, 10), 3)
    (0.783, 0.016)
    """
    other = smoothing / classes
    own = 1 - smoothing + other
    if own <= other:
        return 0.0
    entropy = -own * math.log(own) - ((classes - 1) * other * math.log(other) if other > 0 else 0.0)
    return 1 - entropy / math.log(classes)
