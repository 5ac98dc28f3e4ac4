"""Label smoothing is weighted by the class weights, so rows of a light class are told to be of a heavy one.

What it finds:
    A cross-entropy with both class weights and label smoothing, whose weights change the smoothing much: in the rows of
    some class, half as much again as stated or more goes to other classes.

Why it hurts:
    PyTorch multiplies the part of the smoothing that goes to a class by that class's weight. With two classes of
    weights 1 and 10 and a smoothing of 0.1, a row of the light class is not told 0.95 and 0.05 but 0.655 and 0.345:
    the best that a network can answer is to be a third wrong. With weights 1 and 20 it is 0.487: the wrong class wins.
    Rows of the heavy class are hardly smoothed at all. The more a class needed its weight, the more of it leaks into
    the others.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 2))
    loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 10.0]), label_smoothing=0.1)
    x, y = torch.randn(32, 20), torch.arange(32) % 2
    value = loss(model(x), y)

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 2))
    weights = torch.tensor([1.0, 10.0])
    smooth = nn.CrossEntropyLoss(label_smoothing=0.1, reduction="none")

    def loss(logits, y):
        return (weights[y] * smooth(logits, y)).sum() / weights[y].sum()

    x, y = torch.randn(32, 20), torch.arange(32) % 2
    value = loss(model(x), y)

References:
    PyTorch, issue 104776 (open): label smoothing and class weights, https://github.com/pytorch/pytorch/issues/104776
    Szegedy et al., Rethinking the Inception Architecture, 2016, section 7, https://arxiv.org/abs/1512.00567
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.static import Program
from bridle_audit.static.dataflow.smoothing import smoothing_calls
from bridle_audit.static.dataflow.tracing import given, held_by, maker

SEVERITY = "warning"
WEIGHTS = {"torch.nn.CrossEntropyLoss": (0, "weight"), "torch.nn.functional.cross_entropy": (2, "weight")}
WRITTEN = ("torch.tensor", "torch.as_tensor", "torch.FloatTensor", "torch.Tensor")
MUCH = 1.5  # times what was stated; weights within a factor of about 1.5 stay below
CURE = (
    'each = torch.nn.functional.cross_entropy(logits, y, label_smoothing=0.1, reduction="none")\n'
    "loss = (weights[y] * each).sum() / weights[y].sum()"
)


def probe(setup: Setup) -> Iterator[Finding]:
    """The module's own weights and smoothing."""
    if setup.loss is None or setup.loss.class_weights is None:
        return
    weights = [float(each) for each in setup.loss.class_weights]
    smoothing = float(getattr(setup.loss.function, "label_smoothing", 0.0))
    if message := bent(weights, smoothing):
        worst = max(told_wrong(weights, smoothing))
        yield Finding("the loss", message, CURE, {"smoothing": smoothing, "goes to other classes": worst})


def read(program: Program) -> Iterator[Finding]:
    """A loss for which both are stated; with weights that are not known, it is a note."""
    for call, smoothing in smoothing_calls(program):
        weight = call.argument(*WEIGHTS[call.name]) if call.name in WEIGHTS else None
        if weight is None:
            continue
        weights = numbers_in(program, weight)
        message = bent(weights, smoothing) if weights else ""
        if message or (not weights and is_tensor(program, weight)):
            general = (
                f"label smoothing of {smoothing:g} with class weights: the part that goes to a class is multiplied by "
                "its weight, so rows of light classes are smoothed more than that, and towards the heavy ones"
            )
            severity = "" if message else "note"
            yield Finding(call.name, message or general, CURE, {"smoothing": smoothing}, call.place, severity=severity)


def numbers_in(program: Program, expr: ast.expr) -> list[float]:
    """The numbers of a tensor that is written out; empty where they cannot be told."""
    made = maker(program, expr)
    if made is None:
        return []
    if isinstance(made.func, ast.Attribute) and made.func.attr in ("to", "cuda", "float", "double"):
        return numbers_in(program, made.func.value)
    written = program.resolve(made.func) in WRITTEN and made.args
    values = program.value(made.args[0]) if written else None
    plain = isinstance(values, list | tuple) and all(isinstance(each, int | float) for each in values)
    return [float(each) for each in values] if plain and values else []


def is_tensor(program: Program, expr: ast.expr) -> bool:
    """Whether it is surely given, and not None at times: a call or arithmetic, or an argument that must be given."""
    held = [expr] if not isinstance(expr, ast.Name | ast.Attribute) else held_by(program, expr)
    if not held and isinstance(expr, ast.Name) and is_required(program, expr):
        held = given(program, expr)
        return all(isinstance(each, ast.Call | ast.BinOp | ast.Name | ast.Attribute) for each in held)
    return bool(held) and all(isinstance(each, ast.Call | ast.BinOp) for each in held)


def is_required(program: Program, name: ast.Name) -> bool:
    """Whether a variable is an argument of its function that has no default."""
    function = program.function_of(name)
    if function is None or program.bindings(name) != [None]:
        return False
    plain = [*function.args.posonlyargs, *function.args.args]
    return name.id in [each.arg for each in plain[: len(plain) - len(function.args.defaults)]]


def bent(weights: Sequence[float], smoothing: float) -> str:
    """What the weights make of the smoothing, as a sentence; empty where it is about what was stated."""
    stated = smoothing * (len(weights) - 1) / len(weights)
    if smoothing <= 0 or len(weights) < 2 or min(weights) < 0:
        return ""
    shares = told_wrong(weights, smoothing)
    worst = max(range(len(weights)), key=shares.__getitem__)
    if shares[worst] < MUCH * stated:
        return ""
    return (
        f"label smoothing of {smoothing:g} with class weights from {min(weights):.3g} to {max(weights):.3g}: in rows "
        f"of class {worst}, {shares[worst]:.3g} of the target goes to other classes, not {stated:.3g}"
    )


def told_wrong(weights: Sequence[float], smoothing: float) -> list[float]:
    """For each class, the share of its rows' targets that goes to the other classes; 0 for a class without weight.

    >>> [round(each, 3) for each in told_wrong([1.0, 10.0], 0.1)]
    [0.345, 0.005]
    """
    spread = [smoothing / len(weights) * each for each in weights]
    totals = [(1 - smoothing) * each + sum(spread) for each in weights]
    pairs = zip(weights, spread, totals, strict=True)
    return [(sum(spread) - part) / total if each > 0 else 0.0 for each, part, total in pairs]
