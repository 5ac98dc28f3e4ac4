"""Parameters that the loss would change are not in the optimizer: they stay as they were made.

What it finds:
    Trainable parameters of the model that are in none of the optimizer's groups; with a batch, only those that have a
    gradient from it. Said only of an optimizer that has some of the model's parameters.

Why it hurts:
    A layer that was added, unfrozen or replaced after the optimizer was made keeps its random weights. The rest of
    the network learns around it, so nothing looks broken, and neither learning rate nor decay reaches it.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model[0].parameters(), lr=0.1, momentum=0.9)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10

References:
    DeiT, issue 39: an optimizer made at the wrong time, https://github.com/facebookresearch/deit/issues/39
    torchtest, its test of which parameters change, https://github.com/suriyadeepan/torchtest
"""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup, described

SEVERITY = "error"


def probe(setup: Setup) -> Iterator[Finding]:
    """Trainable parameters in no group."""
    held = {name for group in setup.groups for name in group.names}
    if not held:
        return
    missing = [name for name, each in setup.parameters.items() if each.requires_grad and name not in held]
    if setup.training and setup.training.gradients:
        missing = [name for name in missing if bool(setup.training.gradients.get(name, setup.nothing).any())]
    if missing:
        count = sum(setup.parameters[name].numel() for name in missing)
        share = count / sum(each.numel() for each in setup.parameters.values())
        yield Finding(
            described(missing),
            f"{count} trainable numbers, {share:.0%} of the model, are not in {setup.optimizer_name} and keep "
            "their first values",
            f"optimizer = torch.optim.{setup.optimizer_name}(model.parameters(), ...)  # behind the last change "
            "of the model",
            {"numbers": count, "share of the model": share},
        )
