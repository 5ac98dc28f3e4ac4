"""The penalty takes in biases and the parameters of norms, beside the weights that it is meant for.

What it finds:
    A penalty by hand over all parameters: sum(... for p in model.parameters()). Measured, where the penalty is given:
    it has a gradient for biases, or for scales and shifts of norms, in proportion to them, as it has for the weights.

Why it hurts:
    A bias makes a function no steeper, it only moves it, and a penalty moves it back. With targets around 10 and a
    penalty of 0.1 times the square of everything, a linear model predicts 9.09 on average; with the bias left out,
    10.00. The scale of a norm that is pulled to zero silences its channel. It mostly costs little in a deep network,
    and the cure is one condition.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 5

    def penalty(model):
        return 1e-3 * sum(torch.norm(param) ** 2 for param in model.parameters())

    def step():
        optimizer.zero_grad()
        value = loss(model(x), y) + penalty(model)
        value.backward()
        optimizer.step()

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 5

    def penalty(model):
        return 1e-3 * sum(torch.norm(param) ** 2 for param in model.parameters() if param.ndim > 1)

    def step():
        optimizer.zero_grad()
        value = loss(model(x), y) + penalty(model)
        value.backward()
        optimizer.step()

References:
    Lightning-Bolts, issue 668: L1 and L2 include the bias, https://github.com/Lightning-Universe/lightning-bolts/issues/668
    Goodfellow, Bengio and Courville, Deep Learning, 2016, section 7.1, https://www.deeplearningbook.org
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.decay.penalties import Pull, pulls_of
from bridle_audit.findings import Finding
from bridle_audit.probe.copying import copied
from bridle_audit.probe.setup import Setup, described
from bridle_audit.static import Program
from bridle_audit.static.dataflow.penalties import Penalty, penalties_of

SEVERITY = "warning"
CURE = "sum(p.square().sum() for p in model.parameters() if p.ndim > 1)  # matrices and kernels: no biases, no norms"


def probe(setup: Setup) -> Iterator[Finding]:
    """Biases and parameters of norms that the penalty pulls to zero together with weights."""
    if setup.penalty is None or not setup.penalty_gradients:
        return
    pulls = {name: each for name, each in pulls_of(setup.penalty, copied(setup.model)).items() if each.coefficient > 0}
    norms = [name for name in pulls if name.rpartition(".")[0] in setup.norms]
    biases = [name for name in pulls if name.endswith("bias") and name not in norms]
    weights = [name for name in pulls if not setup.is_vector(name) and name not in norms]
    if not weights or not (norms or biases):
        return
    yield finding(pulls, norms, biases)


def finding(pulls: dict[str, Pull], norms: list[str], biases: list[str]) -> Finding:
    """What is said of them."""
    largest = max(pulls[name].coefficient for name in [*norms, *biases])
    return Finding(
        described([*biases, *norms]),
        f"the penalty pulls {len(biases)} biases and {len(norms)} parameters of norms to zero with the weights, as a "
        f"weight_decay of up to {largest:.2g} would",
        CURE,
        {"biases": len(biases), "parameters of norms": len(norms), "weight_decay": largest},
    )


def read(program: Program) -> Iterator[Finding]:
    """Sums over all parameters of a model that are part of the loss, or in a notebook look like it."""
    for penalty in penalties_of(program):
        if penalty.over == "all" and penalty.kind != "other" and penalty.detached is None and is_meant(penalty):
            yield Finding(
                penalty.source,
                f"the penalty is over all parameters of {penalty.of}: its biases and its norms are pulled to zero too",
                CURE,
                place=penalty.place,
            )


def is_meant(penalty: Penalty) -> bool:
    """Whether it is a penalty: part of the loss, or weighed and added to something, though nothing is made of it."""
    if penalty.in_loss:
        return True
    ends = [path for path in penalty.paths if path.end == "unused"]
    operators = {type(step.node.op) for path in ends for step in path.steps}
    return penalty.fate == "unused" and {ast.Mult, ast.Add} <= operators
