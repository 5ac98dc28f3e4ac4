"""Steps with the whole model in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.training_in_evaluation_mode.finding import CURE
from bridle_audit.watching.record import LayerRecord, LoopRecord
from bridle_audit.wording import first_names


def check(record: LoopRecord) -> Iterator[Finding]:
    """Yield a finding for steps with the model in evaluation mode."""
    modes = record.modes
    layers = [each for each in record.layers if each.evaluation_calls]
    if not modes.evaluation_steps or not layers:
        return
    names = first_names([each.name or "the model" for each in layers])
    numbers = {"share of steps": modes.evaluation_steps / record.steps}
    if modes.training_steps:
        yield Finding(
            names,
            f"{modes.evaluation_steps} of {record.steps} steps were taken with the model in evaluation mode, the "
            f"first of them step {modes.first_evaluation_step}: its {describe_kinds(layers)} did not act",
            CURE,
            numbers,
        )
    elif any(each.kind == "dropout" for each in layers):
        yield Finding(
            names,
            f"all {modes.evaluation_steps} steps were taken with the model in evaluation mode: its dropout has "
            "never acted",
            CURE,
            numbers,
            severity="warning",
        )


def describe_kinds(layers: list[LayerRecord]) -> str:
    """Return the kinds of layers in words, each once."""
    words = {"dropout": "dropout", "norm": "norms"}
    return " and ".join(words[kind] for kind in sorted({each.kind for each in layers}))
