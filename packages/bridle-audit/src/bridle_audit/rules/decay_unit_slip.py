"""The strength of the decay looks like that of another library: it is a hundred times what anybody wants.

What it finds:
    A decoupled decay over 1 where a step takes lr · weight_decay (PyTorch, Keras, optax), or over 0.001 where a step
    takes weight_decay itself, whatever the learning rate (Composer's DecoupledAdamW and DecoupledSGDW).

Why it hurts:
    The same number means different things. 0.01 takes 1e-5 of a weight per step in PyTorch's AdamW at lr 1e-3, and
    1e-2 in Composer's: a thousand times as much, half of every weight in 69 steps. Nothing fails, the network just
    stays small.

Example:
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=10.0)

Use instead:
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)

References:
    Composer, DecoupledAdamW, which warns of it itself,
        https://docs.mosaicml.com/projects/composer/en/stable/api_reference/generated/composer.optim.DecoupledAdamW.html
    open_clip, issue 32: why a decay of 0.2, https://github.com/mlfoundations/open_clip/issues/32
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from bridle_audit.decay.decay import DECOUPLED
from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.static import Program

SEVERITY = "warning"
MOST_PER_LR, MOST_PER_STEP = 1.0, 1e-3
OF_COMPOSER = ("composer.optim.DecoupledAdamW", "composer.optim.DecoupledSGDW")
CURE = 'bridle.convert_strength({value:g}, source="composer.DecoupledAdamW", target="torch.AdamW", lr=lr)  # and back'


def probe(setup: Setup) -> Iterator[Finding]:
    """Decoupled decays out of range, in the unit that was measured."""
    for group in setup.groups:
        decay = group.decay
        most = MOST_PER_LR if decay.lr_power == 1 else MOST_PER_STEP
        if decay.kind != DECOUPLED or group.weight_decay <= most:
            continue
        share = decay.share(setup.peak_lr(group))
        half = math.log(2) / share if share > 0 else math.inf
        yield Finding(
            str(group),
            f"weight_decay={group.weight_decay:g} takes {share:.2g} of every weight per step: half of it is gone "
            f"in {half:.3g} "
            f"steps; over {most:g} is rare in this unit",
            CURE.format(value=group.weight_decay),
            {"share lost per step": share, "half-life in steps": half},
        )


def read(program: Program) -> Iterator[Finding]:
    """Such numbers in the text."""
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
                place=each.place,
            )
