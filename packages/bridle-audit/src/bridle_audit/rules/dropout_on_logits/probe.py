"""Outputs that are zero at random in training mode, and never in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from bridle_audit.findings import Finding
from bridle_audit.probe.batch import same_numbers
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.dropout_on_logits.finding import CURE


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for outputs that are zero at random in training mode and never in evaluation."""
    if not compares_outputs(setup) or setup.evaluation is None or setup.training is None:
        return
    kept, dropped = setup.evaluation.logits, setup.training.logits
    if kept is None or dropped is None or bool((kept == 0).any()):
        return
    zeros = dropped == 0
    where = last_dropout(setup, dropped)
    if not where and not zeros_single_outputs(setup, zeros):
        return
    share = float(zeros.float().mean())
    losses = setup.evaluation.loss, setup.training.loss
    yield Finding(
        where or "the model's output",
        f"in training mode {share:.0%} of the outputs are exactly zero, in evaluation mode none of {kept.numel()}: "
        f"dropout falls on what the loss is computed from; on this batch it is {losses[0]:.3g} without and "
        f"{losses[1]:.3g} with it",
        CURE,
        {"zeros": share, "loss in evaluation mode": losses[0] or 0.0, "loss in training mode": losses[1] or 0.0},
    )


def compares_outputs(setup: Setup) -> bool:
    """Return True if the loss takes logits, or compares outputs and targets elementwise."""
    loss = setup.loss
    if loss is None:
        return False
    return loss.takes_logits or (isinstance(loss.y, Tensor) and loss.y.shape == loss.logits.shape)


def last_dropout(setup: Setup, outputs: Tensor) -> str:
    """Return the dropout whose output is the model's output; empty if there is none."""
    if not bool((outputs == 0).any()):
        return ""
    for use in reversed(setup.function_calls):
        if use.drops and use.output is not None and same_numbers(use.output.flatten(), outputs.flatten()):
            return use.site
    return ""


def zeros_single_outputs(setup: Setup, zeros: Tensor) -> bool:
    """Return True if only some outputs of a row are zero, and others under another seed."""
    again = setup.training_reseeded
    if again is None or again.logits is None or zeros.ndim < 2 or zeros.shape[-1] < 2:
        return False
    rows = zeros.flatten(0, -2)
    return bool((rows.any(-1) & ~rows.all(-1)).any()) and not torch.equal(zeros, again.logits == 0)
