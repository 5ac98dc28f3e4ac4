"""A moving average of the weights goes with batch norm statistics that are not averaged.

What it finds:
    An exponential moving average of a network with batch norm, in which only the parameters are averaged: the running
    statistics are the current network's, as in torch's ``AveragedModel`` unless ``use_buffers=True``, and in Keras's
    ``use_ema``. Where the averaged network has never been given any statistics, it is an error: mean 0 and variance 1
    are those of a new layer.

Why it hurts:
    The statistics belong to other weights than those that they stand beside. How much that matters depends on how far
    the average lags behind: with a rate that has fallen to zero the two networks are almost the same. Opinions of
    maintainers differ, and re-estimating the statistics has made results worse in places (timm, issue 224); measure
    both on validation rows.

Example:
    import torch
    from torch import nn
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 4))
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
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
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 4))
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
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

References:
    timm, issue 102: the moving average and batch norm, https://github.com/huggingface/pytorch-image-models/issues/102
    PyTorch Ignite, issue 2590: the same for buffers, https://github.com/pytorch/ignite/issues/2590
    timm, issue 224: statistics estimated anew were worse, https://github.com/huggingface/pytorch-image-models/issues/224
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.averages import Average
from bridle_audit.probe.setup import Setup, described
from bridle_audit.static import Program
from bridle_audit.static.dataflow.averaging import (
    AVERAGED,
    averages_buffers,
    estimates_statistics,
    hand_written,
    is_exponential,
    is_used,
)
from bridle_audit.static.dataflow.modes import has_batch_norm

SEVERITY = "warning"
CURE = "AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)"
BUFFERS = {"buffers", "named_buffers"}
KERAS = "for x, _ in train:\n    model(x, training=True)  # measures the statistics of the averaged weights"
COPY = (
    "for held, current in zip(ema.buffers(), model.buffers()):\n"
    "    held.copy_(current)  # or averaged as the parameters are, where they are floating-point numbers"
)


def probe(setup: Setup) -> Iterator[Finding]:
    """Norms with the statistics of other weights, or of none."""
    if setup.averaged is None:
        return
    average = Average(setup.averaged, setup.model)
    every, numbers = len(average.batch_norms), {"distance": average.distance}
    away = f"the averaged weights are {average.distance:.1%} of their length away from the current ones"
    if average.distance > 0 and average.untouched:
        count = len(average.untouched)
        message = f"{count} of {every} batch norms have mean 0 and variance 1, those of a new layer, but {away}"
        yield Finding(described(average.untouched), message, CURE, {"batch norms": count, **numbers}, severity="error")
    elif average.distance > 0 and average.borrowed and not average.is_mean:
        count = len(average.borrowed)
        message = f"{count} of {every} batch norms hold the statistics of the current network, bit for bit, but {away}"
        yield Finding(described(average.borrowed), message, CURE, {"batch norms": count, **numbers})


def read(program: Program) -> Iterator[Finding]:
    """A moving average of parameters alone, of a network with batch norm."""
    for call in program.calls(AVERAGED):
        partial = is_exponential(call) and not averages_buffers(call) and not estimates_statistics(program)
        if partial and has_batch_norm(program, call.argument(0, "model")) and is_used(program, call):
            yield finding(program, call.node, CURE)
    for call in program.calls("keras.optimizers.*"):
        if call.value(None, "use_ema", False) is True and program.calls("keras.layers.BatchNormalization"):
            yield finding(program, call.node, KERAS)
    for node in by_hand(program):
        yield finding(program, node, COPY)


def finding(program: Program, node: ast.AST, cure: str) -> Finding:
    """What is said in every form."""
    return Finding(
        program.source(node).partition("\n")[0],
        "the parameters are averaged and the running statistics of batch norm are not: they belong to other weights",
        cure,
        place=program.place(node),
    )


def by_hand(program: Program) -> Iterator[ast.AST]:
    """An average of parameters that the file takes itself, of networks with batch norm whose buffers it leaves alone.

    Where it goes over two networks, the averaged one must be one that is put in evaluation mode: in training mode it
    has statistics of its own, as a teacher or a target often has.
    """
    attributes = {each.attr for each in program.nodes(ast.Attribute)}
    if attributes & BUFFERS or estimates_statistics(program) or not program.calls("torch.nn.BatchNorm*"):
        return
    evaluated = set(evaluated_models(program))
    for average in hand_written(program):
        owners = [program.source(each) for each in average.models]
        if len(owners) == 1 or (len(owners) == 2 and evaluated & set(owners)):
            yield average.node


def evaluated_models(program: Program) -> Iterator[str]:
    """What is put in evaluation mode, as it is written: by a call of its own, or where it is made."""
    for call in program.calls("method:eval"):
        if call.receiver is not None:
            yield program.source(call.receiver)
        if isinstance(call.statement, ast.Assign) and call.statement.value is call.node:
            yield program.source(call.statement.targets[0])
