"""Weights were averaged, but the batch norms still hold the statistics of the last weights.

What it finds:
    A plain mean of weights (stochastic weight averaging) whose batch norms hold, bit for bit, the running statistics of
    the current network, though the weights differ. Measured on the averaged model as it is given: look at it when it is
    about to be evaluated. In a file: an ``AveragedModel`` of a network with batch norm, without ``update_bn``.

Why it hurts:
    The averaged network has activations of its own, which no forward pass has measured. In the example below the norm
    subtracts means that are off by 0.14 standard deviations; behind ``update_bn`` it is less than a millionth.
    Evaluation goes through such numbers in every layer, and what the averaging has gained can be lost there.

Example:
    import torch
    from torch import nn
    from torch.optim.swa_utils import AveragedModel

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 4))
    averaged = AveragedModel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(256, 20) + 1, torch.arange(256) % 4
    for epoch in range(15):
        for rows in torch.randperm(256).split(64):
            optimizer.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            optimizer.step()
        averaged.update_parameters(model)
    averaged.eval()
    with torch.no_grad():
        accuracy = (averaged(x).argmax(1) == y).float().mean()

Use instead:
    import torch
    from torch import nn
    from torch.optim.swa_utils import AveragedModel, update_bn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 4))
    averaged = AveragedModel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(256, 20) + 1, torch.arange(256) % 4
    for epoch in range(15):
        for rows in torch.randperm(256).split(64):
            optimizer.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            optimizer.step()
        averaged.update_parameters(model)
    update_bn(x.split(64), averaged)
    averaged.eval()
    with torch.no_grad():
        accuracy = (averaged(x).argmax(1) == y).float().mean()

References:
    Izmailov et al., Averaging Weights Leads to Wider Optima, 2018, section 3.2, https://arxiv.org/abs/1803.05407
    Lightning, issue 8811: SWA and batch norm, https://github.com/Lightning-AI/pytorch-lightning/issues/8811
    PyTorch, torch.optim: how to use SWA, https://pytorch.org/docs/stable/optim.html
"""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.averages import Average
from bridle_audit.probe.setup import Setup, described
from bridle_audit.static import Program
from bridle_audit.static.dataflow.averaging import (
    AVERAGED,
    averages_buffers,
    estimates_statistics,
    is_exponential,
    is_used,
)
from bridle_audit.static.dataflow.modes import has_batch_norm

SEVERITY = "error"
CURE = "torch.optim.swa_utils.update_bn(train_loader, averaged)  # once, when all is averaged"


def probe(setup: Setup) -> Iterator[Finding]:
    """A plain mean whose norms hold the statistics of other weights."""
    if setup.averaged is None:
        return
    average = Average(setup.averaged, setup.model)
    borrowed = average.borrowed
    if not borrowed or not average.is_mean or average.distance == 0:
        return
    yield Finding(
        described(borrowed),
        f"{len(borrowed)} of {len(average.batch_norms)} batch norms hold the statistics of the current network, bit "
        f"for bit, but the averaged weights are {average.distance:.1%} of their length away from its",
        CURE,
        {"batch norms": len(borrowed), "distance": average.distance},
    )


def read(program: Program) -> Iterator[Finding]:
    """An ``AveragedModel`` that takes a plain mean of a network with batch norm, is used, and never measured."""
    for call in program.calls(AVERAGED):
        if is_exponential(call) is not False or averages_buffers(call) or estimates_statistics(program):
            continue
        if has_batch_norm(program, call.argument(0, "model")) and is_used(program, call):
            yield Finding(
                program.source(call.node),
                "the averaged network is used with the batch norm statistics of the last weights: nothing in this file "
                "measures its own",
                CURE,
                place=call.place,
            )
