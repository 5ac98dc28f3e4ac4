"""An ``eval()`` in a loop that trains, and no ``train()`` in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.training_in_evaluation_mode.finding import CURE
from bridle_audit.static import Program
from bridle_audit.static.dataflow.modes import has_mode_dependent_layers, model_name
from bridle_audit.static.dataflow.tracing import reachable_nodes, source_expressions
from bridle_audit.static.scopes.index import Loop


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for an ``eval()`` in a training loop that never calls ``train()``."""
    trained = trained_models(program)
    seen = set()
    for loop in training_loops(program):
        nodes = list(reachable_nodes(program, loop))
        calls = [each for each in nodes if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute)]
        if any(each.func.attr == "train" for each in calls if isinstance(each.func, ast.Attribute)):
            continue
        for call in calls:
            model = evaluated_model(call)
            if model is None or call in seen or exits_loop(program, call, loop):
                continue
            if model_name(program, model) in trained and has_mode_dependent_layers(program, model):
                seen.add(call)
                yield Finding(
                    program.source(call),
                    "nothing in this loop calls train() again: from the first eval() on, the optimizer goes on with "
                    "dropout off and batch norm fixed",
                    CURE,
                    location=program.location(call),
                )


def trained_models(program: Program) -> set[str]:
    """Return the source and the name of each model whose parameters are in an optimizer."""
    found = set()
    for optimizer in program.optimizers:
        parts = (
            [optimizer.parameters, *source_expressions(program, optimizer.parameters)] if optimizer.parameters else []
        )
        for each in (inner for part in parts for inner in ast.walk(part)):
            if isinstance(each, ast.Attribute) and each.attr in ("parameters", "named_parameters"):
                found |= {program.source(each.value), model_name(program, each.value)}
    return found


def training_loops(program: Program) -> list[Loop]:
    """Return the outermost loops that reach a ``backward``, directly or by a call of its function."""
    found: list[Loop] = []
    for training in program.trainings:
        calls = [training.backwards[0]]
        calls += program.calls(training.name, f"method:{training.name}") if training.name else []
        found += [each.loops[-1] for each in calls if each.loops]
    return list(dict.fromkeys(found))


def evaluated_model(call: ast.Call) -> ast.expr | None:
    """Return the model in ``model.eval()``; None for any other call."""
    if isinstance(call.func, ast.Attribute) and call.func.attr == "eval" and not call.args and not call.keywords:
        return call.func.value
    return None


def exits_loop(program: Program, call: ast.Call, loop: Loop) -> bool:
    """Return True if the branch around an evaluation leaves the loop by ``break`` or ``return``."""
    around = program.parent(call)
    while around is not None and around is not loop:
        if isinstance(around, ast.If) and any(isinstance(each, ast.Break | ast.Return) for each in around.body):
            return True
        around = program.parent(around)
    return False
