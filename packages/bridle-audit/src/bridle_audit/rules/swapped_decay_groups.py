"""The groups for decay and for no decay are the wrong way round, or the one that decays is empty.

What it finds:
    A group with decay that holds nothing but biases, scales and the like (or nothing at all), beside a group without
    decay that holds the matrices. In a text: the list that is picked by the names of biases and norms is the one that
    decays.

Why it hurts:
    The network has no decay where it was meant to have it. Everything runs, and the number in the configuration is a
    fiction.

Example:
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(20, 32), nn.LayerNorm(32), nn.ReLU(), nn.Linear(32, 10))
    no_decay = ["bias", "1.weight"]
    named = list(model.named_parameters())
    groups = [
        {"params": [p for n, p in named if any(nd in n for nd in no_decay)], "weight_decay": 0.1},
        {"params": [p for n, p in named if not any(nd in n for nd in no_decay)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3)

Use instead:
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(20, 32), nn.LayerNorm(32), nn.ReLU(), nn.Linear(32, 10))
    no_decay = ["bias", "1.weight"]
    named = list(model.named_parameters())
    groups = [
        {"params": [p for n, p in named if not any(nd in n for nd in no_decay)], "weight_decay": 0.1},
        {"params": [p for n, p in named if any(nd in n for nd in no_decay)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3)

References:
    mt-dnn, pull request 37: groups swapped, https://github.com/namisan/mt-dnn/pull/37
    CLIP4Clip, issue 11: the same, https://github.com/ArrowLuo/CLIP4Clip/issues/11
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup, described
from bridle_audit.static import Program

SEVERITY = "error"
CURE = """groups = [
    {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": weight_decay},
    {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
]"""
EXEMPT = ("bias", "norm", "Norm", "bn", "ln")  # words in the names of what is meant to go without


def probe(setup: Setup) -> Iterator[Finding]:
    """Groups whose parameters are those of the other."""
    idle = [group for group in setup.groups if not group.weight_decay]
    free = [name for group in idle for name in group.names if not setup.is_vector(name) and setup.is_mapping(name)]
    for group in setup.groups:
        if not group.weight_decay or not free or group.strangers:
            continue
        if all(map(setup.is_vector, group.names)):
            yield Finding(
                str(group),
                f"weight_decay={group.weight_decay:g} is that of {len(group.names)} biases, scales and the like, while "
                f"{len(free)} matrices have none: {described(free)}",
                CURE,
                {"vectors with decay": len(group.names), "matrices without": len(free)},
            )


def read(program: Program) -> Iterator[Finding]:
    """Groups picked by a list of names of biases and norms, with the decay at the wrong one."""
    for optimizer in program.optimizers:
        decays = {}
        for group in optimizer.groups:
            strength, picked = group.value("weight_decay", None), picks_exempt(program, group.expr("params"))
            if picked is not None and isinstance(strength, int | float):
                decays[picked] = (float(strength), group.node)
        if {True, False} <= set(decays) and decays[True][0] > 0 and decays[False][0] == 0:
            yield Finding(
                "the optimizer's groups",
                f"the parameters that are named in the list of exceptions decay by {decays[True][0]:g}, all "
                "others by 0",
                CURE,
                place=program.place(decays[True][1]),
            )


def picks_exempt(program: Program, params: ast.expr | None) -> bool | None:
    """Whether a comprehension takes what a list of biases and norms names (True), or leaves it (False); else None."""
    if not isinstance(params, ast.ListComp | ast.GeneratorExp) or len(params.generators) != 1:
        return None
    conditions = params.generators[0].ifs
    if len(conditions) != 1:
        return None
    test, takes = conditions[0], True
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test, takes = test.operand, False
    if not isinstance(test, ast.Call) or program.resolve(test.func) != "any" or len(test.args) != 1:
        return None
    inner = test.args[0]
    if not isinstance(inner, ast.GeneratorExp | ast.ListComp) or len(inner.generators) != 1:
        return None
    compared = inner.elt
    if not isinstance(compared, ast.Compare) or not isinstance(compared.ops[0], ast.In):
        return None
    words = program.value(inner.generators[0].iter)
    listed = isinstance(words, list | tuple) and any(part in str(word) for word in words for part in EXEMPT)
    return takes if listed else None
