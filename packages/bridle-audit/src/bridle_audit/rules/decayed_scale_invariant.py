"""Weights in front of a norm decay, which changes the learning rate and not what the network can do.

What it finds:
    Weights in a group with decay whose length the loss does not depend on, as a norm follows: the gradient is
    perpendicular to the weight, ⟨w, ∂L/∂w⟩ = 0, measured in double precision whatever lies between the two.

Why it hurts:
    It does not hurt, but it is something else than one thinks. The network computes the same for w and for w / 2, so
    smaller weights are no simpler function. What the decay changes is how far a step turns the weight: lr / ‖w‖². So
    decay and learning rate are one knob here, and are to be tuned together; without any decay ‖w‖ grows and the
    training slows down.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10

References:
    van Laarhoven, L2 Regularization versus Batch and Weight Normalization, 2017, https://arxiv.org/abs/1706.05350
    Zhang et al., Three Mechanisms of Weight Decay Regularization, 2019, https://arxiv.org/abs/1810.12281
"""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.decay.decay import NONE
from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup, described

SEVERITY = "note"


def probe(setup: Setup) -> Iterator[Finding]:
    """Decayed weights whose gradient has no part along them."""
    for group in setup.groups:
        names = [name for name in setup.scale_invariant if name in group.names]
        if group.decay.kind == NONE or not names:
            continue
        most = max(setup.share_along(name) for name in names)
        yield Finding(
            str(group),
            f"{len(names)} decayed weights are in front of norms: {described(names)}; at most {most:.1e} of their "
            "gradient is "
            "along the weight, so decay sets their effective learning rate, lr / |w|², and not how simple the "
            "network is",
            "# tune weight_decay together with lr; to make the function simpler, decay the layers without a norm "
            "behind them",
            {"weights": len(names), "largest share of the gradient along the weight": most},
        )
