"""Weights that no data reach are driven to zero, at full speed, by decay within an adaptive optimizer.

What it finds:
    Rows or columns of a weight without any gradient from the batch (words that do not occur, inputs that are always
    zero, dead units), under an optimizer that rescales the decay with the gradient.

Why it hurts:
    The decay is all the gradient that such a weight has, and Adam makes a whole step of it: one learning rate each
    step, however small the decay. Rare words, columns of rare categories and pixels at the border are gone before
    their first example comes. A weight of 0.5 falls to 0.24 within 300 steps of Adam at lr 1e-3, for weight_decay
    1e-2 and 1e-4 alike; under AdamW it stays above 0.498.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(1000, 16), nn.Flatten(), nn.Linear(64, 5))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randint(0, 50, (16, 4)), torch.arange(16) % 5

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(1000, 16), nn.Flatten(), nn.Linear(64, 5))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randint(0, 50, (16, 4)), torch.arange(16) % 5

References:
    torchtitan, issue 2599: rare tokens decay to zero, https://github.com/pytorch/torchtitan/issues/2599
    SAELens, issue 719: a penalty that is the only gradient, https://github.com/decoderesearch/SAELens/issues/719
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from bridle_audit.decay.decay import RESCALED, measured_decay
from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup

SEVERITY = "error"
LEAST = 0.05  # of the rows or columns; some units are silent in any batch


def probe(setup: Setup) -> Iterator[Finding]:
    """Idle rows and columns of weights in groups whose decay is rescaled."""
    gradients = setup.training.gradients if setup.training else {}
    for group in setup.groups:
        if group.decay.kind != RESCALED or setup.optimizer is None:
            continue
        for name in group.names:
            gradient = gradients.get(name)
            if gradient is None or gradient.ndim < 2:
                continue
            idle, share = most_idle(gradient)
            if share < LEAST:
                continue
            size = float(setup.parameters[name].detach().abs().median())
            shrink = measured_decay(setup.optimizer, setup.optimizer.param_groups[group.index], size=size or 1.0)
            yield Finding(
                name,
                f"{share:.0%} of its {idle} have no gradient from this batch; weight_decay={group.weight_decay:g} "
                "is all that "
                f"{setup.optimizer_name} sees there and takes {shrink.share_per_step:.2g} of such a weight per step, "
                f"{shrink.share_per_step / max(group.lr * group.weight_decay, 1e-30):.0f} times what decoupled "
                "decay would",
                f"torch.optim.AdamW(..., weight_decay={group.weight_decay:g})  # idle weights lose lr * "
                "weight_decay of themselves",
                {"idle": share, "share lost per step": shrink.share_per_step},
            )


def most_idle(gradient: Tensor) -> tuple[str, float]:
    """Rows or columns, whichever has more without any gradient, and their share."""
    parts = gradient.flatten(1)
    rows = float((parts == 0).all(1).float().mean())
    columns = float((parts == 0).all(0).float().mean())
    return ("rows", rows) if rows >= columns else ("columns", columns)
