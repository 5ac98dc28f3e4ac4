"""Penalties beside a loss that is divided, in loops that accumulate."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.static import Program
from bridle_audit.static.dataflow.def_use import Step, UseChain
from bridle_audit.static.dataflow.penalties import Penalty, penalties_of


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a penalty that is added undivided while the loss is divided by the accumulation."""
    for penalty in penalties_of(program):
        for chain in penalty.loss_chains if penalty.detached is None else ():
            step = penalty.join(chain)
            count = accumulation_count(program, chain) if step is not None else None
            if step is None or count is None or is_penalty_divided(program, penalty, chain, count):
                continue
            if is_loss_divided(program, step, count):
                times = program.number(count)
                yield Finding(
                    program.source(step.node),
                    f"the loss is divided by {program.source(count)} and the penalty is not: it counts "
                    f"{f'{times:g}' if times is not None else program.source(count)} times in every step",
                    f"loss = (loss + penalty) / {program.source(count)}",
                    location=program.location(step.node),
                )


def accumulation_count(program: Program, chain: UseChain) -> ast.expr | None:
    """Return n in ``if i % n == 0: optimizer.step()``, if ``backward`` is called in every iteration."""
    loop = program.enclosing(chain.node, ast.For, ast.AsyncFor, ast.While)
    for test in ast.walk(loop) if loop is not None else ():
        if isinstance(test, ast.If) and any(is_step(each) for body in test.body for each in ast.walk(body)):
            counts = [each.right for each in ast.walk(test.test) if isinstance(each, ast.BinOp) and is_modulo(each)]
            if counts and test not in set(program.above(chain.node)):
                return counts[0]
    return None


def is_step(node: ast.AST) -> bool:
    """Return True if a node is a call of ``step``."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "step"


def is_modulo(node: ast.BinOp) -> bool:
    """Return True if an operation is a remainder, as in ``i % n``."""
    return isinstance(node.op, ast.Mod)


def is_penalty_divided(program: Program, penalty: Penalty, chain: UseChain, count: ast.expr) -> bool:
    """Return True if the penalty is divided before it is added, or its strength contains ``count``."""
    divided = any(isinstance(step.node.op, ast.Div) and not is_halving(program, step) for step in chain.steps)
    text = program.source(count)
    factors = [step.other for step in chain.steps if isinstance(step.node.op, ast.Mult)]
    written = [each for factor in factors for each in (factor, *assigned_values(program, factor)) if each is not None]
    return divided or any(text in program.source(each) for each in [penalty.node, *written])


def is_halving(program: Program, step: Step) -> bool:
    """Return True if a step divides by the number 2, as in half a square."""
    return program.number(step.other) == 2 and not isinstance(step.other, ast.Name)


def is_loss_divided(program: Program, step: Step, count: ast.expr) -> bool:
    """Return True if the loss that a penalty is added to is divided by ``count``."""
    text = program.source(count)
    parts = [
        each
        for each in [step.other, *assigned_values(program, step.other)]
        if each is not None and each is not step.node
    ]
    inside = [each for part in parts for each in ast.walk(part) if isinstance(each, ast.BinOp)]
    return any(isinstance(each.op, ast.Div) and program.source(each.right) == text for each in inside)


def assigned_values(program: Program, node: ast.expr) -> list[ast.expr | None]:
    """Return the values that a variable is assigned; none for any other expression."""
    return program.bindings(node) if isinstance(node, ast.Name) else []
