"""Penalties that lead nowhere while something else is trained on, and regularizers that nobody adds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.static import Call, Program
from bridle_audit.static.dataflow.def_use import DefUse, Step, UseChain
from bridle_audit.static.dataflow.penalties import Penalty, penalties_of
from bridle_audit.static.dataflow.use_chains import use_chains

CURE = "loss = criterion(model(x), y) + strength * penalty\nloss.backward()"
KERAS_CURE = "loss = loss_fn(y, model(x, training=True)) + sum(model.losses)  # within the tape"
NAMED = re.compile(r"(?i)penal|regul|(?:^|_)reg(?:_|$)|l1|l2|lasso|ridge")
DEAD = ("unused", "reported")


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a penalty or regularizer that is not in the loss."""
    for penalty in penalties_of(program):
        if penalty.framework == "torch" and has_no_effect(penalty) and penalty.cut is None and has_training(program):
            yield from penalty_findings(program, penalty)
    yield from tape_findings(program)


def has_training(program: Program) -> bool:
    """Return True if the file has a training loop, a ``training_step`` or a ``compute_loss``."""
    return bool(program.trainings) or any(each.name in ("training_step", "compute_loss") for each in program.functions)


def has_no_effect(penalty: Penalty) -> bool:
    """Return True if every use of a penalty is a dead end, a report, or a number without a gradient."""
    return all(chain.end in DEAD or (chain.end == "unknown" and chain.detached is not None) for chain in penalty.chains)


def penalty_findings(program: Program, penalty: Penalty) -> Iterator[Finding]:
    """Yield a finding for a penalty that is not used, or whose sum with the loss is not used."""
    beside = [step for chain in penalty.chains if (step := unused_sum(program, penalty, chain)) is not None]
    if beside:
        total = program.source(beside[0].other)
        yield Finding(
            program.source(beside[0].node),
            f"the penalty is added to {total}, but backward() is called on {total} without it, and the sum is not used",
            CURE,
            location=program.location(beside[0].node),
        )
    elif penalty.fate == "unused" and is_forgotten(program, penalty):
        yield Finding(
            penalty.source,
            "the penalty is computed and never read: the loss does not contain it",
            CURE,
            location=penalty.location,
        )


def unused_sum(program: Program, penalty: Penalty, chain: UseChain) -> Step | None:
    """Return the addition of a penalty to a loss that is trained on without it; None if there is none."""
    step = penalty.join(chain)
    if step is None or not isinstance(step.other, ast.Name) or isinstance(step.node, ast.AugAssign):
        return None
    bound = [
        each for each in program.nodes(ast.Name) if each.id == step.other.id and is_read_outside(program, each, step)
    ]
    ends = [chain.end for each in bound for chain in use_chains(DefUse(program), each)]
    return step if "loss" in ends else None


def is_read_outside(program: Program, name: ast.Name, step: Step) -> bool:
    """Return True if a variable is read in the same function as the addition, but not within it."""
    same = program.function_of(name) is program.function_of(step.node)
    return same and isinstance(name.ctx, ast.Load) and step.node not in set(program.above(name))


def is_forgotten(program: Program, penalty: Penalty) -> bool:
    """Return True if a weighted or named penalty is never read, in a function or in a training loop."""
    loop = program.enclosing(penalty.node, ast.For, ast.While)
    within = penalty.function or loop
    if within is None or (penalty.function is None and not any(is_backward(each) for each in ast.walk(within))):
        return False
    names = [chain.node.id for chain in penalty.chains if isinstance(chain.node, ast.Name)]
    weighed = any(isinstance(step.node.op, ast.Mult) for chain in penalty.chains for step in chain.steps)
    return bool(names) and (weighed or any(map(NAMED.search, names)))


def is_backward(node: ast.AST) -> bool:
    """Return True if a node is a call of ``backward``."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and "backward" in node.func.attr


def tape_findings(program: Program) -> Iterator[Finding]:
    """Yield a finding for each ``GradientTape`` loss that leaves out the regularizers of Keras layers."""
    if "GradientTape" not in program.text or "_regularizer" not in program.text or adds_losses(program):
        return
    regularized = [each for each in penalties_of(program) if each.framework == "keras" and not each.of]
    if not regularized:
        return
    for call in program.calls("method:gradient"):
        if is_training_gradient(program, call):
            loss = loss_expression(program, call)
            yield Finding(
                program.source(loss),
                f"{len(regularized)} layers have a regularizer, and the loss whose gradient is taken does not contain "
                "model.losses: none of them acts",
                KERAS_CURE,
                location=program.location(loss),
            )


def adds_losses(program: Program) -> bool:
    """Return True if the file reads ``model.losses``, or calls a Keras method that adds them."""
    read = [each for each in program.nodes(ast.Attribute) if each.attr == "losses" and program.resolve(each) is None]
    return bool(read) or re.search(r"compute_loss|compiled_loss|regularization_losses", program.text) is not None


def is_training_gradient(program: Program, call: Call) -> bool:
    """Return True if a gradient is for trainable weights, in a custom loop or in ``train_step``."""
    sources = call.argument(1, "sources")
    function = call.function
    is_own = not program.calls("method:fit") or (function is not None and function.name == "train_step")
    return sources is not None and "trainable" in program.source(sources) and is_own


def loss_expression(program: Program, call: Call) -> ast.AST:
    """Return the last assignment of the loss whose gradient is taken; the call itself without one."""
    target = call.argument(0, "target")
    bindings = program.bindings(target) if isinstance(target, ast.Name) else []
    known = [each for each in bindings if each is not None]
    return known[-1] if known else call.node
