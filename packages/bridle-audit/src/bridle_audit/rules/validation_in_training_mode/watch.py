"""Passes without gradients in training mode."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import described
from bridle_audit.rules.validation_in_training_mode.finding import CURE
from bridle_audit.watching.record import QuietSeen, Record

MOST = 0.5  # of the gaps between steps: where more have such passes, these are part of the step


def check(record: Record) -> Iterator[Finding]:
    """Passes without gradients in training mode."""
    quiet = record.quiet
    if not quiet.passes or belongs_to_the_step(quiet, record.steps):
        return
    layers = [each for each in record.layers if each.quiet]
    effects = ["dropout drew noise in them"] if any(each.kind == "dropout" for each in layers) else []
    if quiet.moves:
        effects.append(f"they moved the running statistics of norms {quiet.moves} times")
    elif any(each.kind == "norm" for each in layers):
        effects.append("norms took each batch's own statistics")
    yield Finding(
        described([each.name or "the model" for each in layers]),
        f"{quiet.passes} {'pass' if quiet.passes == 1 else 'passes'} without gradients ran in training mode: "
        + ", and ".join(effects),
        CURE,
        {"passes": quiet.passes, "moves of running statistics": quiet.moves},
    )


def belongs_to_the_step(quiet: QuietSeen, steps: int) -> bool:
    """Whether most steps have such passes, and not on one and the same tensor, as validation in one batch would."""
    return quiet.gaps > MOST * steps and quiet.fixed < MOST * quiet.gaps
