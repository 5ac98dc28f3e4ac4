"""Penalties beside a loss that is divided, in loops that accumulate."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.static import Program
from bridle_audit.static.dataflow.def_use import Step, UseChain
from bridle_audit.static.dataflow.penalties import Penalty, penalties_of


def check(program: Program) -> Iterator[Finding]:
    """Penalties beside a loss that is divided, in loops that accumulate."""
    for penalty in penalties_of(program):
        for chain in penalty.loss_chains if penalty.detached is None else ():
            step = penalty.join(chain)
            count = accumulated(program, chain) if step is not None else None
            if step is None or count is None or is_shared(program, penalty, chain, count):
                continue
            if is_divided(program, step, count):
                times = program.number(count)
                yield Finding(
                    program.source(step.node),
                    f"the loss is divided by {program.source(count)} and the penalty is not: it counts "
                    f"{f'{times:g}' if times is not None else program.source(count)} times in every step",
                    f"loss = (loss + penalty) / {program.source(count)}",
                    location=program.location(step.node),
                )


def accumulated(program: Program, chain: UseChain) -> ast.expr | None:
    """The number of rounds after which the optimizer is called, where ``backward`` is called in each."""
    loop = program.enclosing(chain.node, ast.For, ast.AsyncFor, ast.While)
    for test in ast.walk(loop) if loop is not None else ():
        if isinstance(test, ast.If) and any(is_step(each) for body in test.body for each in ast.walk(body)):
            counts = [each.right for each in ast.walk(test.test) if isinstance(each, ast.BinOp) and is_modulo(each)]
            if counts and test not in set(program.above(chain.node)):
                return counts[0]
    return None


def is_step(node: ast.AST) -> bool:
    """Whether a node calls ``step``."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "step"


def is_modulo(node: ast.BinOp) -> bool:
    """Whether a node is a rest."""
    return isinstance(node.op, ast.Mod)


def is_shared(program: Program, penalty: Penalty, chain: UseChain, count: ast.expr) -> bool:
    """Whether the penalty is divided on its way, or its strength has the number of rounds in it."""
    divided = any(isinstance(step.node.op, ast.Div) and not is_constant(program, step) for step in chain.steps)
    text = program.source(count)
    factors = [step.other for step in chain.steps if isinstance(step.node.op, ast.Mult)]
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
