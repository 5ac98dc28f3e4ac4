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
    """Penalties that lead nowhere while something else is trained on, and regularizers that nobody adds."""
    for penalty in penalties_of(program):
        if penalty.framework == "torch" and is_dead(penalty) and penalty.cut is None and trains(program):
            yield from of_penalty(program, penalty)
    yield from of_tape(program)


def trains(program: Program) -> bool:
    """Whether the file trains at all, by what it calls or defines."""
    return bool(program.trainings) or any(each.name in ("training_step", "compute_loss") for each in program.functions)


def is_dead(penalty: Penalty) -> bool:
    """Whether no chain of a penalty leads where it would have an effect: a bare number has none, wherever it goes."""
    return all(chain.end in DEAD or (chain.end == "unknown" and chain.detached is not None) for chain in penalty.chains)


def of_penalty(program: Program, penalty: Penalty) -> Iterator[Finding]:
    """One that is forgotten, or added to a total beside the loss."""
    beside = [step for chain in penalty.chains if (step := beside_loss(program, penalty, chain)) is not None]
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


def beside_loss(program: Program, penalty: Penalty, chain: UseChain) -> Step | None:
    """Where it is added to a variable that is trained on as it is."""
    step = penalty.join(chain)
    if step is None or not isinstance(step.other, ast.Name) or isinstance(step.node, ast.AugAssign):
        return None
    bound = [
        each for each in program.nodes(ast.Name) if each.id == step.other.id and is_read_alike(program, each, step)
    ]
    ends = [chain.end for each in bound for chain in use_chains(DefUse(program), each)]
    return step if "loss" in ends else None


def is_read_alike(program: Program, name: ast.Name, step: Step) -> bool:
    """Whether a variable is read in the function in which it is added to, but not in that sum."""
    same = program.function_of(name) is program.function_of(step.node)
    return same and isinstance(name.ctx, ast.Load) and step.node not in set(program.above(name))


def is_forgotten(program: Program, penalty: Penalty) -> bool:
    """Whether something that was meant as a penalty is never read, in a function or in a loop that trains."""
    loop = program.enclosing(penalty.node, ast.For, ast.While)
    within = penalty.function or loop
    if within is None or (penalty.function is None and not any(is_backward(each) for each in ast.walk(within))):
        return False
    names = [chain.node.id for chain in penalty.chains if isinstance(chain.node, ast.Name)]
    weighed = any(isinstance(step.node.op, ast.Mult) for chain in penalty.chains for step in chain.steps)
    return bool(names) and (weighed or any(map(NAMED.search, names)))


def is_backward(node: ast.AST) -> bool:
    """Whether a node calls ``backward``."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and "backward" in node.func.attr


def of_tape(program: Program) -> Iterator[Finding]:
    """Layers of Keras with regularizers, and a loop of one's own that does not add them."""
    if "GradientTape" not in program.text or "_regularizer" not in program.text or adds_losses(program):
        return
    regularized = [each for each in penalties_of(program) if each.framework == "keras" and not each.of]
    if not regularized:
        return
    for call in program.calls("method:gradient"):
        if is_step(program, call):
            loss = loss_of(program, call)
            yield Finding(
                program.source(loss),
                f"{len(regularized)} layers have a regularizer, and the loss whose gradient is taken does not contain "
                "model.losses: none of them acts",
                KERAS_CURE,
                location=program.location(loss),
            )


def adds_losses(program: Program) -> bool:
    """Whether the losses of a model are read anywhere, or a method of Keras is called that adds them."""
    read = [each for each in program.nodes(ast.Attribute) if each.attr == "losses" and program.resolve(each) is None]
    return bool(read) or re.search(r"compute_loss|compiled_loss|regularization_losses", program.text) is not None


def is_step(program: Program, call: Call) -> bool:
    """Whether a gradient is one of the trained weights, in a loop of one's own or in the model's ``train_step``."""
    sources = call.argument(1, "sources")
    function = call.function
    is_own = not program.calls("method:fit") or (function is not None and function.name == "train_step")
    return sources is not None and "trainable" in program.source(sources) and is_own


def loss_of(program: Program, call: Call) -> ast.AST:
    """Where the loss is computed whose gradient is taken."""
    target = call.argument(0, "target")
    bindings = program.bindings(target) if isinstance(target, ast.Name) else []
    known = [each for each in bindings if each is not None]
    return known[-1] if known else call.node
