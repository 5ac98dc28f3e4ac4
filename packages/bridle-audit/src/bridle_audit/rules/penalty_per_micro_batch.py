"""The loss is divided by the number of micro-batches, and the penalty beside it is not.

What it finds:
    Gradients that are accumulated over several batches, in a loop that calls the optimizer every n-th time and divides
    the loss of the data by n, but not the penalty that is added to it.

Why it hurts:
    The penalty counts n times: with a strength of 0.1 and four micro-batches, a weight of 1 gets a gradient of 0.40
    from half its square, instead of 0.10. Who changes the number of micro-batches to fit a card's memory changes the
    regularization with it.

Example:
    import torch
    from torch import nn

    accumulation = 4
    model = nn.Linear(20, 5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    criterion = nn.CrossEntropyLoss()

    def train(batches):
        for i, (x, y) in enumerate(batches):
            loss = criterion(model(x), y) / accumulation + 0.05 * model.weight.square().sum()
            loss.backward()
            if (i + 1) % accumulation == 0:
                optimizer.step()
                optimizer.zero_grad()

Use instead:
    import torch
    from torch import nn

    accumulation = 4
    model = nn.Linear(20, 5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    criterion = nn.CrossEntropyLoss()

    def train(batches):
        for i, (x, y) in enumerate(batches):
            loss = (criterion(model(x), y) + 0.05 * model.weight.square().sum()) / accumulation
            loss.backward()
            if (i + 1) % accumulation == 0:
                optimizer.step()
                optimizer.zero_grad()

References:
    Numenta, pull request 109: a penalty and the batch size, https://github.com/numenta/nupic.research/pull/109
    MLJFlux, pull request 214: a penalty per batch, https://github.com/FluxML/MLJFlux.jl/pull/214
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.static import Program
from bridle_audit.static.dataflow.penalties import Penalty, penalties_of
from bridle_audit.static.dataflow.reaching import Path, Step

SEVERITY = "warning"


def read(program: Program) -> Iterator[Finding]:
    """Penalties beside a loss that is divided, in loops that accumulate."""
    for penalty in penalties_of(program):
        for way in penalty.ways if penalty.detached is None else ():
            step = penalty.join(way)
            count = accumulated(program, way) if step is not None else None
            if step is None or count is None or is_shared(program, penalty, way, count):
                continue
            if is_divided(program, step, count):
                times = program.number(count)
                yield Finding(
                    program.source(step.node),
                    f"the loss is divided by {program.source(count)} and the penalty is not: it counts "
                    f"{f'{times:g}' if times is not None else program.source(count)} times in every step",
                    f"loss = (loss + penalty) / {program.source(count)}",
                    place=program.place(step.node),
                )


def accumulated(program: Program, way: Path) -> ast.expr | None:
    """The number of rounds after which the optimizer is called, where ``backward`` is called in each."""
    loop = program.enclosing(way.node, ast.For, ast.AsyncFor, ast.While)
    for test in ast.walk(loop) if loop is not None else ():
        if isinstance(test, ast.If) and any(is_step(each) for body in test.body for each in ast.walk(body)):
            counts = [each.right for each in ast.walk(test.test) if isinstance(each, ast.BinOp) and is_modulo(each)]
            if counts and test not in set(program.above(way.node)):
                return counts[0]
    return None


def is_step(node: ast.AST) -> bool:
    """Whether a node calls ``step``."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "step"


def is_modulo(node: ast.BinOp) -> bool:
    """Whether a node is a rest."""
    return isinstance(node.op, ast.Mod)


def is_shared(program: Program, penalty: Penalty, way: Path, count: ast.expr) -> bool:
    """Whether the penalty is divided on its way, or its strength has the number of rounds in it."""
    divided = any(isinstance(step.node.op, ast.Div) and not is_constant(program, step) for step in way.steps)
    text = program.source(count)
    factors = [step.other for step in way.steps if isinstance(step.node.op, ast.Mult)]
    written = [each for factor in factors for each in (factor, *named(program, factor)) if each is not None]
    return divided or any(text in program.source(each) for each in [penalty.node, *written])


def is_constant(program: Program, step: Step) -> bool:
    """Whether a division is one by 2, as in half a square."""
    return program.number(step.other) == 2 and not isinstance(step.other, ast.Name)


def is_divided(program: Program, step: Step, count: ast.expr) -> bool:
    """Whether what the penalty is added to is divided by the number of rounds."""
    text = program.source(count)
    parts = [each for each in [step.other, *named(program, step.other)] if each is not None and each is not step.node]
    inside = [each for part in parts for each in ast.walk(part) if isinstance(each, ast.BinOp)]
    return any(isinstance(each.op, ast.Div) and program.source(each.right) == text for each in inside)


def named(program: Program, node: ast.expr) -> list[ast.expr | None]:
    """What a variable is assigned."""
    return program.bindings(node) if isinstance(node, ast.Name) else []
