"""The penalty shrinks weights whose length the network does not feel, since a norm follows.

What it finds:
    A penalty with a gradient along weights that are scale-invariant: in front of a norm, with a loss gradient that is
    perpendicular to them, measured in double precision.

Why it hurts:
    The penalty can be made as small as one likes without changing the function: it costs nothing to obey it, so it
    restrains nothing. What is left is a larger effective learning rate, lr / ‖w‖², that grows as the weights shrink.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))
    loss = nn.CrossEntropyLoss()
    penalty = lambda model: 1e-3 * model[0].weight.square().sum()
    x, y = torch.randn(16, 20), torch.arange(16) % 10

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))
    loss = nn.CrossEntropyLoss()
    penalty = lambda model: 1e-3 * model[3].weight.square().sum()
    x, y = torch.randn(16, 20), torch.arange(16) % 10

References:
    van Laarhoven, L2 Regularization versus Batch and Weight Normalization, 2017, https://arxiv.org/abs/1706.05350
"""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup, described

SEVERITY = "note"


def probe(setup: Setup) -> Iterator[Finding]:
    """Scale-invariant weights that the penalty pulls at."""
    names = [name for name in setup.scale_invariant if bool(setup.penalty_gradients.get(name, setup.nothing).any())]
    if names:
        most = max(setup.share_along(name) for name in names)
        yield Finding(
            described(names),
            f"{len(names)} penalized weights are in front of norms: at most {most:.1e} of the loss gradient is "
            "along them, so "
            "their length means nothing to the network, and the penalty changes the effective learning rate alone",
            "# leave these weights out of the penalty; tune their weight_decay together with lr",
            {"weights": len(names), "largest share of the gradient along the weight": most},
        )
