"""Scores of a model for which nothing calls ``eval()``: here, before, in a caller, or in what is called."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.validation_in_training_mode.finding import CURE
from bridle_audit.static import Evaluation, Program
from bridle_audit.static.dataflow.identifiers import words
from bridle_audit.static.dataflow.modes import has_mode_dependent_layers, may_start_in_evaluation
from bridle_audit.static.scopes.index import Function

ON_PURPOSE = {
    "mc",
    "monte",
    "uncertainty",
    "stochastic",
    "bn",
    "calibrate",
    "statistics",
    "stats",
    "teacher",
    "target",
    "ema",
}


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for an evaluation without ``eval()`` on any path to it."""
    for evaluation in program.evaluations:
        model = evaluation.calls[0].node.func
        if evaluation.calls_eval or ON_PURPOSE & {*words(evaluation.name), *words(model)}:
            continue
        if (
            may_be_evaluated_elsewhere(program, evaluation)
            or precedes_backward(program, evaluation)
            or may_start_in_evaluation(program, model)
        ):
            continue
        if has_mode_dependent_layers(program, model):
            yield Finding(
                evaluation.model,
                "the model is scored in training mode: no eval() is called on the way here, so dropout draws noise and "
                "batch norm takes the statistics of each batch",
                CURE,
                location=evaluation.location,
            )


def may_be_evaluated_elsewhere(program: Program, evaluation: Evaluation) -> bool:
    """Return True if a caller outside the file may call ``eval()``, or if the file does not train."""
    home = evaluation.node if isinstance(evaluation.node, Function) else program.function_of(evaluation.node)
    trains = any(each.node is home for each in program.trainings)
    trained = program.trainings or program.calls("method:train")
    return not trained or (home is not None and not trains and not evaluation.callers)


def precedes_backward(program: Program, evaluation: Evaluation) -> bool:
    """Return True if a ``backward`` follows in the same iteration: the outputs may be its targets."""
    loops = program.loops_around(evaluation.node)
    function = program.function_of(evaluation.node)
    steps = [
        each for each in program.calls("method:backward") if each.function is function and each.loops[:1] == loops[:1]
    ]
    return bool(loops) and any(each.node.lineno > evaluation.calls[0].node.lineno for each in steps)
