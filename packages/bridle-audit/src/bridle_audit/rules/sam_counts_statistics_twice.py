"""Both passes of SAM move the running statistics of batch norm.

What it finds:
    Steps of the optimizer for which one batch ran through the model in training mode again after the weights had been
    changed, and moved the running statistics both times. Counted while the loop runs.

Why it hurts:
    The second pass of SAM is at weights that the model never keeps, up the slope from those that it has. Half of what
    batch norm remembers is then of that other network, and its memory is half as long, since every batch counts twice.
    The authors' own code takes the statistics of the first pass alone.

Example:
    import torch
    from torch import nn

    import bridle

    torch.manual_seed(0)
    x, y = torch.randn(64, 8), torch.randn(64, 1)
    model = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with bridle.watch(model, optimizer) as watcher:
        for step in range(10):
            nn.functional.mse_loss(model(x), y).backward()
            gradients = [each.grad.clone() for each in model.parameters()]
            with torch.no_grad():
                for each, gradient in zip(model.parameters(), gradients):
                    each.add_(0.05 * gradient)
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            with torch.no_grad():
                for each, gradient in zip(model.parameters(), gradients):
                    each.sub_(0.05 * gradient)
            optimizer.step()
            optimizer.zero_grad()

Use instead:
    import torch
    from torch import nn

    import bridle

    torch.manual_seed(0)
    x, y = torch.randn(64, 8), torch.randn(64, 1)
    model = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    norms = [each for each in model.modules() if isinstance(each, nn.BatchNorm1d)]
    with bridle.watch(model, optimizer) as watcher:
        for step in range(10):
            nn.functional.mse_loss(model(x), y).backward()
            gradients = [each.grad.clone() for each in model.parameters()]
            with torch.no_grad():
                for each, gradient in zip(model.parameters(), gradients):
                    each.add_(0.05 * gradient)
            optimizer.zero_grad()
            for norm in norms:
                norm.momentum = 0.0
            nn.functional.mse_loss(model(x), y).backward()
            for norm in norms:
                norm.momentum = 0.1
            with torch.no_grad():
                for each, gradient in zip(model.parameters(), gradients):
                    each.sub_(0.05 * gradient)
            optimizer.step()
            optimizer.zero_grad()

References:
    Foret et al., Sharpness-Aware Minimization for Efficiently Improving Generalization, 2021,
        https://arxiv.org/abs/2010.01412
    davda54/sam, issue 17: what the authors' code does, https://github.com/davda54/sam/issues/17
"""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import described
from bridle_audit.watch.record import Record

SEVERITY = "warning"
CURE = (
    "for norm in norms:\n"
    "    norm.momentum = 0.0  # in front of the second pass, so that it moves nothing; and back to 0.1 behind it"
)


def watched(record: Record) -> Iterator[Finding]:
    """Steps for which one batch moved statistics more than once."""
    twice = record.twice
    if not twice.steps:
        return
    each_step = twice.passes / twice.steps
    yield Finding(
        described([each.name for each in record.layers if each.kind == "norm" and each.trained]),
        f"in {twice.steps} of {record.steps} steps the batch moved the running statistics again after the weights had "
        f"been changed: {each_step:.1f} times per step in place of once",
        CURE,
        {"steps": twice.steps, "times per step": each_step},
    )
