"""Stated decoupled decays that are out of the usual range."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.decay_unit_slip.finding import CURE, MOST_PER_LR, MOST_PER_STEP
from bridle_audit.static import Program

OF_COMPOSER = ("composer.optim.DecoupledAdamW", "composer.optim.DecoupledSGDW")


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a stated decoupled decay that is out of the usual range."""
    for each in program.optimizers:
        per_step = each.name in OF_COMPOSER
        most = MOST_PER_STEP if per_step else MOST_PER_LR
        known = per_step or (each.decoupled is True and each.framework in ("torch", "keras"))
        if known and isinstance(each.decay, int | float) and each.decay > most:
            unit = "of every weight per step" if per_step else "times the learning rate of every weight per step"
            yield Finding(
                each.name,
                f"weight_decay={each.decay:g} takes {each.decay:g} {unit}; over {most:g} is rare in this unit",
                CURE.format(value=each.decay),
                location=each.location,
            )
