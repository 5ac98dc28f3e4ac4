"""Passes without gradients in training mode."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.validation_in_training_mode.finding import CURE
from bridle_audit.watching.record import LoopRecord, ValidationRecord
from bridle_audit.wording import first_names

MOST = 0.5  # of the gaps between steps: where more have such passes, these are part of the step


def check(record: LoopRecord) -> Iterator[Finding]:
    """Yield a finding for passes without gradients in training mode."""
    validation = record.validation
    if not validation.passes or belongs_to_the_step(validation, record.steps):
        return
    layers = [each for each in record.layers if each.no_grad_calls]
    effects = ["dropout drew noise in them"] if any(each.kind == "dropout" for each in layers) else []
    if validation.statistics_updates:
        effects.append(f"they moved the running statistics of norms {validation.statistics_updates} times")
    elif any(each.kind == "norm" for each in layers):
        effects.append("norms took each batch's own statistics")
    yield Finding(
        first_names([each.name or "the model" for each in layers]),
        f"{validation.passes} {'pass' if validation.passes == 1 else 'passes'} without gradients ran in training mode: "
        + ", and ".join(effects),
        CURE,
        {"passes": validation.passes, "moves of running statistics": validation.statistics_updates},
    )


def belongs_to_the_step(validation: ValidationRecord, steps: int) -> bool:
    """Return True if most steps have such passes, and on another tensor each time, unlike validation in one batch."""
    return validation.gaps > MOST * steps and validation.same_batch_gaps < MOST * validation.gaps
