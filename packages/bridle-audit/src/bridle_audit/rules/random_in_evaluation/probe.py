"""Two passes in evaluation mode that differ, and what they differ by first."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from bridle_audit.findings import Finding
from bridle_audit.probe.batch import same_numbers
from bridle_audit.probe.forward import ForwardPass
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.random_in_evaluation.finding import ATTENTION, DROPOUT

MASK = "if self.training:\n    h = h * mask / (1 - rate)  # draw the mask in training mode only"
NOISE = "h = h + noise if self.training else h  # or, where it is on purpose, allow=['random-in-evaluation']"
HIDDEN = 1e-2  # share of the outputs that are zero in one pass and not in the other: a mask


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding if two passes in evaluation mode differ."""
    once, again = setup.evaluation, setup.evaluation_reseeded
    if once is None or again is None or once.logits is None or again.logits is None:
        return
    if same_numbers(once.logits, again.logits):
        return
    dropping = [use for use in setup.evaluation_function_calls if use.drops]
    hidden = masked_share(*first_differing_tensors(once, again))
    apart = relative_distance(once.logits, again.logits)
    numbers = {"difference": apart}
    told = f"two passes over the same batch in evaluation mode differ by {apart:.0%} of the outputs' length"
    if dropping:
        first = dropping[0]
        cure = ATTENTION if "attention" in first.function else DROPOUT
        yield Finding(first.site, f"{told}: {first.function} drops {first.rate:.3g} here", cure, numbers)
        return
    where = first_random_module(once, again) or "the model"
    if hidden > HIDDEN:
        yield Finding(where, f"{told}: {hidden:.0%} of what a mask lets through is zero in only one", MASK, numbers)
    else:
        yield Finding(where, f"{told}: something random is at work in it", NOISE, numbers, severity="note")


def first_random_module(once: ForwardPass, again: ForwardPass) -> str:
    """Return the name of the first module with equal inputs and different outputs; empty without one."""
    for left, right in zip(once.calls, again.calls, strict=False):
        if left.name != right.name:
            return ""
        if is_equal(left.input, right.input) and not is_equal(left.output, right.output):
            return left.name
    return ""


def first_differing_tensors(once: ForwardPass, again: ForwardPass) -> tuple[Tensor | None, Tensor | None]:
    """Return the first layer inputs or outputs that differ between two passes; else the logits."""
    for left, right in zip(once.leaf_calls, again.leaf_calls, strict=False):
        if left.name != right.name:
            break
        if not is_equal(left.input, right.input):
            return left.input, right.input
        if not is_equal(left.output, right.output):
            return left.output, right.output
    return once.logits, again.logits


def is_equal(left: Tensor | None, right: Tensor | None) -> bool:
    """Return True if both tensors hold the same numbers, or both are None."""
    return left is right if left is None or right is None else same_numbers(left, right)


def masked_share(left: Tensor | None, right: Tensor | None) -> float:
    """Return the share that is zero in one tensor only; 0 if the other numbers differ, as under noise."""
    if left is None or right is None or left.shape != right.shape:
        return 0.0
    both = (left != 0) & (right != 0)
    if not both.any() or not torch.equal(left[both], right[both]):
        return 0.0
    return float(((left == 0) != (right == 0)).float().mean())


def relative_distance(left: Tensor, right: Tensor) -> float:
    """Return the norm of the difference of two outputs, relative to the first."""
    if left.shape != right.shape:
        return 1.0
    return float((left - right).double().norm() / left.double().norm().clamp_min(torch.finfo(torch.double).tiny))
