"""Two dropouts stand in a row, and their rates compound.

What it finds:
    The output of one dropout is the input of another: layers, functions, or both. Measured by the numbers that pass
    through, not by the order in which the layers are declared. Drop-path behind a dropout is usual and is not
    reported.

Why it hurts:
    What comes through both has survived twice: 0.5 behind 0.5 drops 75 %, not 50 %. Neither line of the code says so,
    a search for the best rate moves one of two, and the mean square behind them is 4 times what it was, where one
    dropout of 0.5 makes it twice as large.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Dropout(0.5))
    head = nn.Sequential(nn.Dropout(0.5), nn.Linear(32, 10))
    model = nn.Sequential(body, head)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(20, 32), nn.ReLU())
    head = nn.Sequential(nn.Dropout(0.5), nn.Linear(32, 10))
    model = nn.Sequential(body, head)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

References:
    Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014, JMLR 15, section 4: one
        mask per layer, https://jmlr.org/papers/v15/srivastava14a.html
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from bridle_audit.findings import Finding
from bridle_audit.probe.batch import same
from bridle_audit.probe.functions import ATTENTION, Use
from bridle_audit.probe.setup import Setup
from bridle_audit.static import Op, Program, meaningful

SEVERITY = "warning"


def probe(setup: Setup) -> Iterator[Finding]:
    """One dropout takes what another gives."""
    attention = set(ATTENTION.values())
    drops = [use for use in setup.uses if use.drops and use.function not in attention]
    for first, second in pairwise(drops):
        if follows(first, second):
            total = 1 - (1 - first.rate) * (1 - second.rate)
            numbers = {"first": first.rate, "second": second.rate, "together": total}
            yield Finding(second.where, said(first.rate, second.rate, first.where), cure(second.rate), numbers)


def follows(first: Use, second: Use) -> bool:
    """Whether what the first gives out is what the second takes in, and it is not all zero."""
    if first.output is None or second.input is None or not bool(first.output.any()):
        return False
    return same(first.output.flatten(), second.input.flatten())


def said(first: float, second: float, where: str) -> str:
    """What the two do together."""
    total = 1 - (1 - first) * (1 - second)
    return f"drops {second:.3g} of what another dropout ({where}) of {first:.3g} leaves: together they drop {total:.3g}"


def cure(rate: float) -> str:
    """One dropout in the place of two."""
    return f"nn.Dropout({rate:.3g})  # once: take the other out"


def read(program: Program) -> Iterator[Finding]:
    """Two dropouts in a row in a network's flow."""
    for network in program.networks:
        for first, second in pairwise(meaningful(network.flow)):
            rates = rate_of(first), rate_of(second)
            if rates[0] and rates[1]:
                where = program.source(first.node)
                yield Finding(
                    program.source(second.node), said(rates[0], rates[1], where), cure(rates[1]), place=second.place
                )


def rate_of(op: Op) -> float | None:
    """The rate of a dropout; None for anything else, and where it is not known."""
    return op.number(0 if op.is_layer else 1, "p", 0.5) if op.kind == "dropout" else None
