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
    """Losses with smoothing in validation."""
    validated = {
        loss.node: loss.constructor
        for loss in program.losses
        if loss.under_no_grad or (loss.function is not None and validating(loss.function.name))
    }
    for call, smoothing in smoothing_calls(program):
        for node in [each for each, constructor in validated.items() if constructor.node is call.node]:
            yield Finding(
                program.source(node),
                f"the validation loss has a label smoothing of {smoothing:g} in it{floor_of(program, call, smoothing)}",
                CURE,
                {"smoothing": smoothing},
                location=program.location(node),
            )
        if validates(program, call):
            yield Finding(
                call.name,
                f"the validation loss has a label smoothing of {smoothing:g} in it{floor_of(program, call, smoothing)}",
                KERAS if call.name.startswith("keras.") else TRAINER,
                {"smoothing": smoothing},
                location=call.location,
            )


def validating(name: str) -> bool:
    """Whether a function is for validation, by its name."""
    return has_word(name, VALIDATION) or has_word(name, EVALUATION)


def validates(program: Program, call: Call) -> bool:
    """Whether a framework takes this same loss for validation: Keras's ``fit``, or the Hugging Face ``Trainer``."""
    if call.name.startswith("keras."):
        fits = program.calls("method:fit")
        return any(each.states(None, "validation_data") or each.states(None, "validation_split") for each in fits)
    if call.name.startswith("transformers."):
        strategies = [call.value(None, each) for each in ("eval_strategy", "evaluation_strategy")]
        return any(each in ("epoch", "steps") for each in strategies)
    return False


def floor_of(program: Program, call: Call, smoothing: float) -> str:
    """What a perfect network's loss would be, in words, if the number of classes is known."""
    classes = classes_of(program, call)
    if classes is None:
        return ": that of a perfect network is not 0"
    floor = (1 - remaining_information(smoothing, classes)) * math.log(classes)
    return f": with {classes} classes that of a perfect network is {floor:.3f}, not 0"
