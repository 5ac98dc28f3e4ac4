"""The loss of one batch in training mode, with dropout and without; all else is the same."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.batch import scalar_of
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.gap_in_training_mode.finding import CURE

MUCH = 0.25  # of the larger of the two losses


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding if dropout alone changes the loss of a batch in training mode much."""
    if setup.training is None or setup.training.loss is None or not any(each.drops for each in setup.function_calls):
        return
    dropped, whole = setup.training.loss, loss_without_dropout(setup)
    if whole is None or abs(dropped - whole) <= MUCH * max(abs(dropped), abs(whole)):
        return
    yield Finding(
        "the loss",
        f"the same batch has a loss of {dropped:.3g} with dropout and {whole:.3g} without: a gap to validation that is "
        "taken from training passes is off by the difference",
        CURE,
        {"with dropout": dropped, "without dropout": whole},
    )


def loss_without_dropout(setup: Setup) -> float | None:
    """Return the loss of the pass in training mode without dropout."""
    if setup.training_without_dropout is None or setup.batch is None:
        return None
    if setup.loss_function is None:
        return setup.training_without_dropout.loss
    value = scalar_of(setup.loss_function(setup.training_without_dropout.output, setup.batch.y))
    return None if value is None else float(value.detach())
