"""The running statistics of a frozen batch norm go on moving.

What it finds:
    A norm with running statistics in training mode, whose parameters have ``requires_grad=False`` and whose input
    needs no gradient either, so that all that feeds it is frozen. Counted while the loop runs: the batches that moved
    its statistics, and how far the running mean went, in standard deviations. Before training: how far one batch
    moves it. A model of which nothing at all is trained is not meant.

Why it hurts:
    ``requires_grad=False`` stops gradients; running statistics are no parameters and follow the mode alone. So the
    features of a frozen backbone are not those that it was trained to give: they drift with every batch, they change
    what the new layers stand on, and two runs that "share the same frozen backbone" do not.

Example:
    import torch
    from torch import nn

    import bridle

    torch.manual_seed(0)
    x, y = 2 + torch.randn(64, 8), torch.randn(64, 1)
    backbone = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU())
    model = nn.Sequential(backbone, nn.Linear(32, 1))
    backbone.requires_grad_(False)
    optimizer = torch.optim.Adam(model[1].parameters())
    with bridle.watch(model, optimizer) as watcher:
        model.train()
        for rows in torch.arange(64).split(16):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x[rows]), y[rows]).backward()
            optimizer.step()

Use instead:
    import torch
    from torch import nn

    import bridle

    torch.manual_seed(0)
    x, y = 2 + torch.randn(64, 8), torch.randn(64, 1)
    backbone = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU())
    model = nn.Sequential(backbone, nn.Linear(32, 1))
    backbone.requires_grad_(False)
    optimizer = torch.optim.Adam(model[1].parameters())
    with bridle.watch(model, optimizer) as watcher:
        model.train()
        backbone.eval()
        for rows in torch.arange(64).split(16):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x[rows]), y[rows]).backward()
            optimizer.step()

References:
    pytorch/pytorch, issue 86590: people do not know that their feature extractor is not frozen,
        https://github.com/pytorch/pytorch/issues/86590
    chemprop/chemprop, pull request 952, https://github.com/chemprop/chemprop/pull/952
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from bridle_audit.findings import Finding
from bridle_audit.probe.passes import Call
from bridle_audit.probe.setup import Setup, described
from bridle_audit.watch.record import Record

SEVERITY = "error"


def probe(setup: Setup) -> Iterator[Finding]:
    """Norms that are frozen with all that feeds them, and that a pass in training mode moves."""
    if setup.training is None or not setup.was_training:  # in which mode the loop runs is then not known
        return
    if not any(each.requires_grad for each in setup.parameters.values()):
        return
    moves = {call.name: shift(setup, call.name) for call in setup.training.leaves if is_frozen(call)}
    moves = {name: each for name, each in moves.items() if each > 0}
    if moves:
        worst = max(moves, key=lambda name: moves[name])
        yield Finding(
            described(list(moves)),
            f"one batch in training mode moves the running mean of layer {worst} by {moves[worst]:.2g} standard "
            "deviations, though its parameters and all that feeds it are frozen",
            f'model.get_submodule("{worst}").eval()  # behind every model.train()',
            {"norms": float(len(moves)), "shift": moves[worst]},
        )


def is_frozen(call: Call) -> bool:
    """Whether a norm is in training mode, has parameters, and neither they nor its input are trained."""
    held = list(call.module.parameters())
    if not isinstance(call.module, nn.modules.batchnorm._NormBase) or not call.training or call.is_learned:
        return False
    return bool(held) and not any(each.requires_grad for each in held)


def shift(setup: Setup, name: str) -> float:
    """How far a pass moves the running mean, in running standard deviations, on average over the channels."""
    norm = setup.modules[name]
    mean, variance = getattr(norm, "running_mean", None), getattr(norm, "running_var", None)
    moved = setup.training.buffers.get(f"{name}.running_mean" if name else "running_mean") if setup.training else None
    if mean is None or variance is None or moved is None:
        return 0.0
    return float(((moved - mean).double().square() / (variance.double() + torch.finfo(torch.float).tiny)).mean().sqrt())


def watched(record: Record) -> Iterator[Finding]:
    """Norms that are frozen with all that feeds them, and move."""
    norms = [each for each in record.layers if each.frozen]
    if not norms:
        return
    worst = max(norms, key=lambda each: each.shift)
    part = worst.name.rpartition(".")[0] or worst.name
    yield Finding(
        described([each.name for each in norms]),
        f"the running statistics took in {worst.frozen} batches, and the mean of {worst.name} moved by "
        f"{worst.shift:.2f} standard deviations, though its parameters and all that feeds it are frozen",
        f'model.get_submodule("{part}").eval()  # behind every model.train()' if part else "model.eval()",
        {"batches": worst.frozen, "shift": worst.shift},
    )
