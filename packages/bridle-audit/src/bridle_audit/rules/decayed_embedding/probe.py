"""Embeddings with decay and rows that the batch does not touch."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from bridle_audit.decay.measurement import COUPLED, DECOUPLED
from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup

MOST_IDLE = 0.5  # of the rows
STEPS = 1000


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for decayed embeddings with rows that the batch does not use."""
    gradients = setup.training.gradients if setup.training else {}
    for name, module in setup.owners.items():
        group = setup.group_of(name)
        if not isinstance(module, nn.Embedding | nn.EmbeddingBag) or group is None or name not in gradients:
            continue
        if group.decay.kind not in (DECOUPLED, COUPLED):
            continue
        idle = float((gradients[name] == 0).all(1).float().mean())
        if idle < MOST_IDLE:
            continue
        left = max(0.0, 1 - group.decay.share_per_step) ** STEPS
        yield Finding(
            name,
            f"{idle:.0%} of its {len(gradients[name])} rows have no gradient from this batch and decay all the "
            "same: a word that "
            f"does not occur for {STEPS} steps has {left:.3g} of its vector left",
            f'{{"params": [model.{name}], "weight_decay": 0.0}}  # a group of its own',
            {"idle rows": idle, f"left after {STEPS} steps": left},
        )
