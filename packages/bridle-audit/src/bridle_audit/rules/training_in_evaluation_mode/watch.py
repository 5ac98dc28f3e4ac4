"""Steps with the whole model in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import described
from bridle_audit.rules.training_in_evaluation_mode.finding import CURE
from bridle_audit.watching.record import Record


def check(record: Record) -> Iterator[Finding]:
    """Steps with the whole model in evaluation mode."""
    modes = record.modes
    layers = [each for each in record.layers if each.rested]
    if not modes.rested or not layers:
        return
    names = described([each.name or "the model" for each in layers])
    numbers = {"share of steps": modes.rested / record.steps}
    if modes.trained:
        yield Finding(
            names,
            f"{modes.rested} of {record.steps} steps were taken with the model in evaluation mode, the first of them "
            f"step {modes.first_rested}: its {kinds(layer.kind for layer in layers)} did not act",
            CURE,
            numbers,
        )
    elif any(each.kind == "dropout" for each in layers):
        yield Finding(
            names,
            f"all {modes.rested} steps were taken with the model in evaluation mode: its dropout has never acted",
            CURE,
            numbers,
            severity="warning",
        )


def kinds(found: Iterator[str]) -> str:
    """What the layers are, in words."""
    words = {"dropout": "dropout", "norm": "norms"}
    return " and ".join(words[kind] for kind in sorted(set(found)))
