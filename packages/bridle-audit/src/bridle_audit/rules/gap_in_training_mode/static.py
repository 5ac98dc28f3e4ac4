"""A difference of a training and a validation score, the first of them met in training, of a network that drops."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.gap_in_training_mode.finding import CURE
from bridle_audit.static import Program
from bridle_audit.static.dataflow.dropping import training_rates
from bridle_audit.static.dataflow.identifiers import EVALUATION, TEST, TRAINING, VALIDATION, has_word, words
from bridle_audit.static.dataflow.tracing import definition_of, reaching_values
from bridle_audit.static.facts.calls import is_under_no_grad
from bridle_audit.static.scopes.index import Loop

MEASURES = {"loss", "acc", "accuracy", "error", "err", "score", "f", "auc", "perplexity", "ppl", "mse"}


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a gap between scores whose training score is computed with dropout on."""
    if not has_dropout(program):
        return
    for node in program.nodes(ast.BinOp):
        sides = (node.left, node.right)
        if isinstance(node.op, ast.Sub) and (
            is_history_gap(*sides) or is_loop_gap(program, *sides) or is_loop_gap(program, *sides[::-1])
        ):
            yield Finding(
                program.source(node),
                "the training score in this difference is one of a network with dropout at work, the other is not",
                CURE,
                location=program.location(node),
            )


def has_dropout(program: Program) -> bool:
    """Return True if the file has a layer that drops, at a rate that is not known to be 0."""
    return any(rate != 0 for each in program.all_calls for rate in training_rates(each))


def is_history_gap(left: ast.expr, right: ast.expr) -> bool:
    """Return True for ``history["accuracy"] - history["val_accuracy"]``, in either order."""
    keys = [{each.value for each in ast.walk(side) if isinstance(each, ast.Constant)} for side in (left, right)]
    words = [{each for each in side if isinstance(each, str)} for side in keys]
    pairs = [(one, other) for one in words[0] for other in words[1]]
    return any(f"val_{one}" == other or f"val_{other}" == one for one, other in pairs)


def is_loop_gap(program: Program, trained: ast.expr, other: ast.expr) -> bool:
    """Return True for a training score, measured during training, and the same score on held-out data."""
    if not isinstance(trained, ast.Name) or not isinstance(other, ast.Name):
        return False
    kinds = has_word(trained, TRAINING) and any(has_word(other, each) for each in (VALIDATION, EVALUATION, TEST))
    measures = MEASURES & set(words(trained)) & set(words(other))
    return bool(kinds and measures) and is_measured_in_training(program, trained)


def is_measured_in_training(program: Program, score: ast.Name) -> bool:
    """Return True if a score comes from a training function, or from a loop that calls ``backward``."""
    made = [each for each in reaching_values(program, score) if not is_under_no_grad(program, each)]
    calls = [each for value in made for each in ast.walk(value) if isinstance(each, ast.Call)]
    functions = [definition_of(program, each) for each in calls]
    training = {each.node for each in program.trainings}
    if any(each in training for each in functions if each is not None):
        return True
    backwards = [each for each in program.calls("method:backward") if each.function is program.function_of(score)]
    loops = {loop for each in backwards for loop in each.loops[:1]}
    parts = {each.id for value in made for each in ast.walk(value) if isinstance(each, ast.Name)} | {score.id}
    return any(loops & set(program.loops_around(value)[:1]) for value in made) or is_accumulated_in(
        program, parts, loops
    )


def is_accumulated_in(program: Program, parts: set[str], loops: set[Loop]) -> bool:
    """Return True if one of the variables is accumulated in one of the loops, outside of ``no_grad``."""
    sums = [each for loop in loops for each in ast.walk(loop) if isinstance(each, ast.AugAssign)]
    mine = [each for each in sums if isinstance(each.target, ast.Name) and each.target.id in parts]
    return any(not is_under_no_grad(program, each) for each in mine)
