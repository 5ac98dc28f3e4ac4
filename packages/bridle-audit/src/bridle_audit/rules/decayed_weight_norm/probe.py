"""Directions in groups that decay."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from bridle_audit.decay.measurement import NONE
from bridle_audit.findings import Finding
from bridle_audit.parameter_kinds import ParameterKind, parameter_kind, parametrized_weight
from bridle_audit.probe.copying import copied
from bridle_audit.probe.forward import run_pass
from bridle_audit.probe.setup import Setup
from bridle_audit.wording import first_names

NORMED = ("weight_norm", "spectral_norm")
UNCHANGED = 1e-4  # of the outputs, when the direction is doubled
CURE = """no_decay = [p for name, p in model.named_parameters() if name.endswith(("{last}", "bias"))]
groups = [{{"params": no_decay, "weight_decay": 0.0}}, {{"params": others, "weight_decay": weight_decay}}]"""


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for directions of normalized weights in a group with weight decay."""
    directions = [name for name in setup.parameters if is_direction(setup, name)]
    for group in setup.groups:
        names = [name for name in directions if name in group.names]
        if not names or group.decay.kind == NONE or group.decay.share_per_step == 0:
            continue
        share = group.decay.share_per_step
        change = output_change_when_doubled(setup, names)
        if change is not None and change > UNCHANGED:
            continue
        measured = "" if change is None else f" (twice as long, they change the outputs by {change:.1%})"
        yield Finding(
            first_names(names),
            f"{len(names)} weights whose length is divided out{measured} lose {share:.2g} of themselves per step to "
            "weight decay: the function stays the same, and the steps turn them further",
            CURE.format(last=names[0].rpartition(".")[2]),
            {"weights": len(names), "share lost per step": share},
        )


def is_direction(setup: Setup, name: str) -> bool:
    """Return True if a parameter is the direction of a weight under ``weight_norm`` or ``spectral_norm``."""
    origin = parametrized_weight(setup.modules, name)
    if origin is None or origin.by not in NORMED:
        return False
    return parameter_kind(setup.modules, name, setup.parameters[name]) != ParameterKind.SCALE


def output_change_when_doubled(setup: Setup, names: list[str]) -> float | None:
    """Return the relative change of the outputs when the directions are doubled; None without a batch."""
    if setup.batch is None or setup.evaluation is None or setup.evaluation.logits is None:
        return None
    model = copied(setup.model)
    held = dict(model.named_parameters())
    with torch.no_grad():
        for name in names:
            held[name].mul_(2)
    after = run_pass(model, setup.batch, None, training=False).logits
    before = setup.evaluation.logits
    return None if after is None else float((after - before).norm() / before.norm().clamp(min=1e-12))
