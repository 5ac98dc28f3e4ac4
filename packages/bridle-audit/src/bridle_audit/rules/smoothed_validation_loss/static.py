"""Losses with smoothing in validation."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.static import Call, Program
from bridle_audit.static.dataflow.identifiers import EVALUATION, VALIDATION, has_word
from bridle_audit.static.dataflow.smoothing import classes_of, remaining_information, smoothing_calls

KERAS = "model.compile(..., metrics=[keras.metrics.CategoricalCrossentropy()])  # beside the loss, without smoothing"
TRAINER = "Trainer(..., compute_metrics=cross_entropy)  # beside eval_loss, of the logits and without smoothing"
CURE = "torch.nn.functional.cross_entropy(logits, y)  # without smoothing, for validation"


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a validation loss with label smoothing."""
    validated = {
        loss.node: loss.constructor
        for loss in program.losses
        if loss.under_no_grad or (loss.function is not None and is_validation_name(loss.function.name))
    }
    for call, smoothing in smoothing_calls(program):
        floor = describe_floor(program, call, smoothing)
        message = f"the validation loss has a label smoothing of {smoothing:g} in it{floor}"
        for node in [each for each, constructor in validated.items() if constructor.node is call.node]:
            yield Finding(
                program.source(node),
                message,
                CURE,
                {"smoothing": smoothing},
                location=program.location(node),
            )
        if is_used_in_validation(program, call):
            yield Finding(
                call.name,
                message,
                KERAS if call.name.startswith("keras.") else TRAINER,
                {"smoothing": smoothing},
                location=call.location,
            )


def is_validation_name(name: str) -> bool:
    """Return True if the name of a function says that it validates or evaluates."""
    return has_word(name, VALIDATION) or has_word(name, EVALUATION)


def is_used_in_validation(program: Program, call: Call) -> bool:
    """Return True if Keras's ``fit`` or the Hugging Face ``Trainer`` validates with the training loss."""
    if call.name.startswith("keras."):
        fits = program.calls("method:fit")
        return any(each.states(None, "validation_data") or each.states(None, "validation_split") for each in fits)
    if call.name.startswith("transformers."):
        strategies = [call.value(None, each) for each in ("eval_strategy", "evaluation_strategy")]
        return any(each in ("epoch", "steps") for each in strategies)
    return False


def describe_floor(program: Program, call: Call, smoothing: float) -> str:
    """Return a clause on the loss of a perfect network, with its value if the class count is known."""
    classes = classes_of(program, call)
    if classes is None:
        return ": that of a perfect network is not 0"
    floor = (1 - remaining_information(smoothing, classes)) * math.log(classes)
    return f": with {classes} classes that of a perfect network is {floor:.3f}, not 0"
