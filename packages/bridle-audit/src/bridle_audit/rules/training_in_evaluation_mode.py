"""The optimizer goes on while the model is in evaluation mode: dropout and batch norm are switched off.

What it finds:
    Steps of the optimizer for which every pass ran with the whole model in evaluation mode, though it has layers that
    only act in training mode. An error where the model was in training mode earlier: an ``eval()`` that nothing has
    undone. A warning where it never was and has dropout: models that are loaded are often in evaluation mode. Norms
    that are kept in evaluation mode within a model that trains are left alone; that is how one freezes them.
    In a file: a loop that trains and calls ``eval()`` on the model, and ``train()`` nowhere.

Why it hurts:
    One ``eval()`` in the first validation, and the rest of the training has no dropout: the regularization that is
    tuned and reported acts in the first epoch alone. Batch norm normalizes by statistics that no longer follow the
    weights. Nothing fails, and the training loss even looks better.

Example:
    import torch
    from torch import nn

    import bridle

    torch.manual_seed(0)
    x, y = torch.randn(64, 8), torch.randn(64, 1)
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters())
    model.train()
    with bridle.watch(model, optimizer) as watcher:
        for epoch in range(4):
            for rows in torch.arange(48).split(16):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x[rows]), y[rows]).backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                valid_loss = nn.functional.mse_loss(model(x[48:]), y[48:])

Use instead:
    import torch
    from torch import nn

    import bridle

    torch.manual_seed(0)
    x, y = torch.randn(64, 8), torch.randn(64, 1)
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters())
    with bridle.watch(model, optimizer) as watcher:
        for epoch in range(4):
            model.train()
            for rows in torch.arange(48).split(16):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x[rows]), y[rows]).backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                valid_loss = nn.functional.mse_loss(model(x[48:]), y[48:])

References:
    fartashf/vsepp, issue 4: results changed noticeably with the mode, https://github.com/fartashf/vsepp/issues/4
    wkentaro/pytorch-fcn, pull request 56, https://github.com/wkentaro/pytorch-fcn/pull/56
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import described
from bridle_audit.static import Program
from bridle_audit.static.dataflow.modes import meant, mode_matters
from bridle_audit.static.dataflow.tracing import Loop, leads_to, reached
from bridle_audit.watch.record import Record

SEVERITY = "error"
CURE = "model.train()  # at the start of every epoch, and behind every validation"


def watched(record: Record) -> Iterator[Finding]:
    """Steps with the whole model in evaluation mode."""
    modes = record.modes
    layers = [each for each in record.layers if each.rested]
    if not modes.rested or not layers:
        return
    names = described([each.name or "the model" for each in layers])
    numbers = {"share of steps": modes.rested / record.steps}
    if modes.trained:
        yield Finding(
            names,
            f"{modes.rested} of {record.steps} steps were taken with the model in evaluation mode, the first of them "
            f"step {modes.first_rested}: its {kinds(layer.kind for layer in layers)} did not act",
            CURE,
            numbers,
        )
    elif any(each.kind == "dropout" for each in layers):
        yield Finding(
            names,
            f"all {modes.rested} steps were taken with the model in evaluation mode: its dropout has never acted",
            CURE,
            numbers,
            severity="warning",
        )


def kinds(found: Iterator[str]) -> str:
    """What the layers are, in words."""
    words = {"dropout": "dropout", "norm": "norms"}
    return " and ".join(words[kind] for kind in sorted(set(found)))


def read(program: Program) -> Iterator[Finding]:
    """An ``eval()`` in a loop that trains, and no ``train()`` in it."""
    trained = trained_models(program)
    seen = set()
    for loop in training_loops(program):
        nodes = list(reached(program, loop))
        calls = [each for each in nodes if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute)]
        if any(each.func.attr == "train" for each in calls if isinstance(each.func, ast.Attribute)):
            continue
        for call in calls:
            model = evaluated(call)
            if model is None or call in seen or leaves(program, call, loop):
                continue
            if meant(program, model) in trained and mode_matters(program, model):
                seen.add(call)
                yield Finding(
                    program.source(call),
                    "nothing in this loop calls train() again: from the first eval() on, the optimizer goes on with "
                    "dropout off and batch norm fixed",
                    CURE,
                    place=program.place(call),
                )


def trained_models(program: Program) -> set[str]:
    """The models whose parameters optimizers are given, as they are written."""
    found = set()
    for optimizer in program.optimizers:
        parts = [optimizer.parameters, *leads_to(program, optimizer.parameters)] if optimizer.parameters else []
        for each in (inner for part in parts for inner in ast.walk(part)):
            if isinstance(each, ast.Attribute) and each.attr in ("parameters", "named_parameters"):
                found |= {program.source(each.value), meant(program, each.value)}
    return found


def training_loops(program: Program) -> list[Loop]:
    """The outermost loops in which ``backward`` is reached: around it, or around the call of its function."""
    found: list[Loop] = []
    for training in program.trainings:
        calls = [training.backwards[0]]
        calls += program.calls(training.name, f"method:{training.name}") if training.name else []
        found += [each.loops[-1] for each in calls if each.loops]
    return list(dict.fromkeys(found))


def evaluated(call: ast.Call) -> ast.expr | None:
    """The model in ``model.eval()``."""
    if isinstance(call.func, ast.Attribute) and call.func.attr == "eval" and not call.args and not call.keywords:
        return call.func.value
    return None


def leaves(program: Program, call: ast.Call, loop: Loop) -> bool:
    """Whether the training is over where a model is evaluated, as the loop is left behind it."""
    around = program.parent(call)
    while around is not None and around is not loop:
        if isinstance(around, ast.If) and any(isinstance(each, ast.Break | ast.Return) for each in around.body):
            return True
        around = program.parent(around)
    return False
