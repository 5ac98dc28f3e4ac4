"""A bias stands in front of a norm that subtracts the mean: it never learns anything.

What it finds:
    Biases whose gradient is zero while that of their weights is not, in a layer in front of a norm. Measured in
    double precision: the gradient of the bias is less than a hundred-thousandth of that of the weight.

Why it hurts:
    Batch norm subtracts the mean of each channel, and with it whatever the bias has added. The bias costs memory, a
    state in the optimizer, and time; weight decay moves it, to no effect. Nothing is wrong with the results: this is
    a note.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

References:
    Ioffe and Szegedy, Batch Normalization, 2015, section 3.2: the bias "can be ignored since its effect will be
        canceled", https://arxiv.org/abs/1502.03167
"""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup, described

SEVERITY = "note"
ZERO = 1e-5  # of the weight's gradient; in double precision rounding leaves 1e-15


def probe(setup: Setup) -> Iterator[Finding]:
    """Biases without a gradient, of weights that have one and in front of a norm."""
    shares = {}
    for (
        name
    ) in setup.scale_invariant:  # so that the keys of an attention, whose bias has no gradient either, are not meant
        share = share_of_bias(setup, name)
        if share is not None and share < ZERO:
            shares[name.removesuffix("weight") + "bias"] = share
    if not shares:
        return
    largest = max(shares.values())
    count = sum(setup.parameters[name].numel() for name in shares)
    yield Finding(
        described(list(shares)),
        f"{count} biases have no gradient (at most {largest:.0e} of their weights'): the norm behind takes them out",
        "nn.Linear(inputs, units, bias=False), nn.BatchNorm1d(units)",
        {"biases": float(count), "largest share of the gradient": largest},
    )


def share_of_bias(setup: Setup, name: str) -> float | None:
    """The length of the gradient of a weight's bias over that of the weight; None where there is none of either."""
    gradients = setup.exact.gradients if setup.exact else {}
    weight, bias = gradients.get(name), gradients.get(name.removesuffix("weight") + "bias")
    if weight is None or bias is None or not bool(weight.any()):
        return None
    return float(bias.norm() / weight.norm())
