"""Plain dropout behind a SELU undoes what a SELU is for: variance 1 from layer to layer.

What it finds:
    A dropout other than `AlphaDropout` that takes the output of a SELU, as layers or as functions. Measured: the mean
    square of what comes out of the dropout over that of what goes in.

Why it hurts:
    A SELU keeps the mean at 0 and the variance at 1 through many layers, without any norm. Dropout of 0.2 makes a
    variance of 1.25 of it, dropout of 0.5 makes 2.00, and each layer adds its own; in evaluation mode it is gone
    again. Alpha dropout sets units to the value that a SELU has far to the left and corrects the rest: the variance
    stays 1.00.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 64), nn.SELU(), nn.Dropout(0.2), nn.Linear(64, 10))
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 64), nn.SELU(), nn.AlphaDropout(0.2), nn.Linear(64, 10))
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

References:
    Klambauer et al., Self-Normalizing Neural Networks, 2017, https://arxiv.org/abs/1706.02515
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from torch import Tensor

from bridle_audit.findings import Finding
from bridle_audit.probe.batch import same
from bridle_audit.probe.functions import Use
from bridle_audit.probe.setup import Setup
from bridle_audit.static import Program, meaningful

SEVERITY = "warning"
PLAIN = ("dropout", "dropout1d", "dropout2d", "dropout3d")
ALPHA = ("AlphaDropout", "FeatureAlphaDropout", "alpha_dropout", "feature_alpha_dropout")


def probe(setup: Setup) -> Iterator[Finding]:
    """Plain dropouts that take what a SELU gives."""
    for first, second in pairwise(setup.uses):
        if not is_pair(first, second) or first.output is None:
            continue
        growth = 1 / (1 - second.rate) if second.rate < 1 else 0.0
        yield Finding(
            second.where,
            f"dropout of {second.rate:.3g} behind a SELU ({first.where}) makes the variance {growth:.2f} times what it "
            f"was ({variance(first.output):.2f} in this batch), and a SELU is to keep it at 1",
            f"nn.AlphaDropout({second.rate:.3g})",
            {"rate": second.rate, "growth": growth, "variance": variance(first.output)},
        )


def is_pair(first: Use, second: Use) -> bool:
    """Whether the second is a plain dropout of what the first, a SELU, gives out."""
    if first.function != "selu" or second.function not in PLAIN or not second.drops:
        return False
    return (
        first.output is not None and second.input is not None and same(first.output.flatten(), second.input.flatten())
    )


def variance(tensor: Tensor) -> float:
    """Over all numbers of a tensor."""
    return float(tensor.float().var(correction=0))


def read(program: Program) -> Iterator[Finding]:
    """A SELU and then a plain dropout in a network's flow."""
    for network in program.networks:
        for first, second in pairwise(meaningful(network.flow)):
            if first.kind != "activation:selu" or second.kind != "dropout" or second.name.endswith(ALPHA):
                continue
            rate = second.number(0 if second.is_layer else 1, "p", 0.5)
            if rate is not None and 0 < rate < 1:
                yield Finding(
                    program.source(second.node),
                    f"dropout of {rate:g} behind a SELU makes the variance {1 / (1 - rate):.2f} times what it was, and "
                    "a SELU is to keep it at 1",
                    f"nn.AlphaDropout({rate:g})",
                    place=second.place,
                )
