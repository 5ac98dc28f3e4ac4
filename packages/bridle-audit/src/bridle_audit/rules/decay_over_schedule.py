"""Over the whole schedule the decay comes to next to nothing, or to everything.

What it finds:
    What decay alone leaves of a weight at the end of the training: the product of 1 - lr · weight_decay over all
    steps, with the learning rates of the scheduler. Over 99 % is a note; under 0.1 % is a warning.

Why it hurts:
    A strength says little without the number of steps and the learning rate. AdamW's default of 0.01 with lr 1e-3
    along a cosine leaves 99.5 % after 1,000 steps and 61 % after 100,000: the same number is no regularization in a
    short training and a strong one in a long one. What counts is 1 / (lr · weight_decay), the number of steps that
    weights remember.

Example:
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.02)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=500)
    steps = 500

Use instead:
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.5)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=500)
    steps = 500

References:
    Wang and Aitchison, How to set AdamW's weight decay as you scale model and dataset size, 2024,
        https://arxiv.org/abs/2405.13698
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from bridle_audit.decay.decay import COUPLED, DECOUPLED
from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup

SEVERITY = "note"
NOTHING, EVERYTHING = 0.99, 1e-3  # what is left


def probe(setup: Setup) -> Iterator[Finding]:
    """Groups whose decay is negligible or crushing at the end."""
    for group in setup.groups if setup.rates else ():
        rates = setup.rates[group.index]
        if group.decay.kind not in (DECOUPLED, COUPLED) or not group.weight_decay:
            continue
        left = math.prod(max(0.0, 1 - group.decay.share(rate)) for rate in rates)
        if EVERYTHING <= left <= NOTHING:
            continue
        highest = group.decay.share(max(rates))
        memory = 1 / highest if highest > 0 else math.inf
        yield Finding(
            str(group),
            f"weight_decay={group.weight_decay:g} alone leaves {left:.3%} of a weight after {len(rates)} steps: "
            "weights remember "
            f"{memory:.3g} steps at the highest learning rate",
            f"weight_decay={suggestion(group.weight_decay, left):.2g}  # leaves a half after {len(rates)} steps",
            {"left": left, "memory in steps": memory},
            severity="warning" if left < EVERYTHING else SEVERITY,
        )


def suggestion(strength: float, left: float) -> float:
    """The strength that would leave a half; as a weight's logarithm shrinks in proportion to the strength."""
    if left <= 0:
        return strength / 10
    return strength * math.log(0.5) / math.log(left) if left < 1 else strength
