"""Weights with a decay and with a penalty that is one."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from bridle_audit.decay.measurement import NONE
from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.double_decay.finding import CURE
from bridle_audit.wording import first_names

ALONG = 0.99  # of a penalty's gradient, in the direction of the weight


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for a group with weight decay whose weights are in an L2 penalty too."""
    for group in setup.groups:
        if group.decay.kind == NONE:
            continue
        found = {
            name: decay_coefficient(setup.penalty_gradients[name], setup.parameters[name].detach())
            for name in group.names
            if name in setup.penalty_gradients
        }
        twice = {name: each for name, each in found.items() if each is not None}
        if twice:
            largest = max(twice.values())
            yield Finding(
                str(group),
                f"{len(twice)} weights have weight_decay={group.weight_decay:g} and a penalty whose gradient is "
                f"{largest:.3g} times the weight: {first_names(list(twice))}",
                CURE,
                {"weights": len(twice), "weight_decay": group.weight_decay, "of the penalty": largest},
            )


def decay_coefficient(gradient: Tensor, weight: Tensor) -> float | None:
    """Return c if the penalty's gradient is c times the weight; None if it is not parallel to it."""
    lengths = float(gradient.norm() * weight.norm())
    along = float((gradient * weight).sum())
    return along / float(weight.square().sum()) if lengths > 0 and along > ALONG * lengths else None
