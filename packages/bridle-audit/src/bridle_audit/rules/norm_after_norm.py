"""What one norm has normalized, another normalizes again at once.

What it finds:
    A norm whose input is the output of another norm; and weight norm on a layer in front of a norm. Measured by the
    numbers that pass through, and for weight norm in double precision: its gain has no gradient.

Why it hurts:
    The second norm undoes what the first one's scales have learned, or nearly: two layers do the work of one. The
    gain of weight norm in front of a norm is a number for each unit that the loss does not depend on. The results are
    not wrong: this is a note.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(20, 32, bias=False),
        nn.BatchNorm1d(32),
        nn.LayerNorm(32),
        nn.ReLU(),
        nn.Linear(32, 10),
    )
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(20, 32, bias=False),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Linear(32, 10),
    )
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

References:
    van Laarhoven, L2 Regularization versus Batch and Weight Normalization, 2017, section 2: what a norm makes of a
        scale in front of it, https://arxiv.org/abs/1706.05350
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from torch import Tensor

from bridle_audit.findings import Finding
from bridle_audit.probe.batch import same
from bridle_audit.probe.setup import Setup

SEVERITY = "note"
ZERO = 1e-5  # of the length that the direction's gradient has
GAINS = {"parametrizations.weight.original0": "parametrizations.weight.original1", "weight_g": "weight_v"}


def probe(setup: Setup) -> Iterator[Finding]:
    """Norms in a row, and gains that a norm takes out."""
    leaves = setup.training.leaves if setup.training else ()
    for first, second in pairwise(leaves):
        if first.name not in setup.norms or second.name not in setup.norms or first.output is None:
            continue
        if second.input is not None and same(first.output, second.input) and bool(first.output.any()):
            yield Finding(
                second.name,
                f"normalizes the output of layer {first.name}, itself a norm: {first.output.numel()} numbers of this "
                "batch are normalized twice",
                "nn.BatchNorm1d(units)  # one norm: take the other out",
                {"numbers": float(first.output.numel())},
            )
    for name, share in idle_gains(setup).items():
        yield Finding(
            name,
            f"the gain of weight norm has {share:.0e} of its direction's gradient: the norm behind takes it out again",
            "nn.Linear(inputs, units, bias=False), nn.BatchNorm1d(units)  # without weight_norm",
            {"share of the gradient": share},
        )


def idle_gains(setup: Setup) -> dict[str, float]:
    """The gains of weight norms that nothing depends on: slope times length, over that of the direction."""
    gradients = setup.exact.gradients if setup.exact else {}
    found = {}
    for name in gradients:
        for gain, direction in GAINS.items():
            other = name.removesuffix(gain) + direction
            if not name.endswith(gain) or other not in gradients:
                continue
            weights = setup.parameters[name], setup.parameters[other]
            moves = [pull(weight, gradients[each]) for weight, each in zip(weights, (name, other), strict=True)]
            if moves[1] > 0 and moves[0] < ZERO * moves[1]:
                found[name] = moves[0] / moves[1]
    return found


def pull(weight: Tensor, gradient: Tensor) -> float:
    """The lengths of a weight and of its gradient, multiplied: what a step of a given share of its length changes."""
    return float(weight.detach().double().norm() * gradient.norm())
