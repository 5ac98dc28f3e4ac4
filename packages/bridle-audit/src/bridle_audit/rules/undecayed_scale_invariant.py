"""Weights in front of a norm grow without weight decay at a constant learning rate: their steps become ever smaller.

What it finds:
    Matrices that the optimizer does not decay, whose gradient has no part along themselves (|<w, g>| below 0.0001 of
    the lengths, at several steps), so that a norm takes their scale away; whose own norm has grown by half or more
    since the start of the watch; and a learning rate that has stayed the same.

Why it hurts:
    The scale of such a weight changes nothing in the function, but a step of the same length turns a longer weight
    less. A gradient at right angles to the weight can only make it longer, so without decay it grows without end, and
    the learning rate that acts falls with the square of the length under SGD, and with the length under Adam. Training
    slows down as by a schedule that nobody has set.

Example:
    import torch
    from torch import nn

    import bridle

    torch.manual_seed(0)
    x, y = torch.randn(64, 8), torch.arange(64) % 4
    model = nn.Sequential(nn.Linear(8, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 4))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    with bridle.watch(model, optimizer) as watcher:
        for step in range(100):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()

Use instead:
    import torch
    from torch import nn

    import bridle

    torch.manual_seed(0)
    x, y = torch.randn(64, 8), torch.arange(64) % 4
    model = nn.Sequential(nn.Linear(8, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 4))
    matrices = [each for each in model.parameters() if each.ndim > 1]
    others = [each for each in model.parameters() if each.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=0.02)
    with bridle.watch(model, optimizer) as watcher:
        for step in range(100):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()

References:
    van Laarhoven, L2 Regularization versus Batch and Weight Normalization, 2017, https://arxiv.org/abs/1706.05350
    Zhang et al., Three Mechanisms of Weight Decay Regularization, 2019, https://arxiv.org/abs/1810.12281
"""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import described
from bridle_audit.watch.record import Record

SEVERITY = "note"
CURE = (
    'torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}], lr=1e-3)'
)
ALONG = 1e-4  # ordinary weights are near 1e-2; a norm's eps leaves some 1e-5
GROWTH = 1.5


def watched(record: Record) -> Iterator[Finding]:
    """Weights whose scale does not matter, and grows."""
    lowest, highest = record.rates
    invariant = [each for each in record.weights if each.along < ALONG and each.start > 0]
    growing = [each for each in invariant if each.end >= GROWTH * each.start]
    if not growing or lowest != highest:
        return
    worst = max(growing, key=lambda each: each.end / each.start)
    growth = worst.end / worst.start
    yield Finding(
        described([each.name for each in growing]),
        f"the norm of {worst.name} grew {growth:.2f}-fold in {record.steps} steps; its scale changes nothing in the "
        f"function, but a step of the same length now turns it by 1/{growth:.2f} of what it did",
        CURE,
        {"growth": growth, "steps": record.steps},
    )
