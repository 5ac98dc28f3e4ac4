"""The gradient that is clipped contains the penalty's, so the penalty is clipped with it.

What it finds:
    A penalty of weights in the loss, and clipping of the gradient by norm or value between backward() and the step.

Why it hurts:
    It need not, but the strength that is written down is not the one that acts. Clipping divides the penalty's part of
    the gradient by as much as the rest: with a gradient of length 100 and a limit of 1, a penalty of 0.01 times the
    square counts like one of 0.0001. So it is weakest where the loss is steepest. The weight decay of an optimizer acts
    behind the clipping and keeps its strength.

Example:
    import torch
    from torch import nn

    model = nn.Linear(20, 5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    criterion = nn.CrossEntropyLoss()

    def step(x, y):
        optimizer.zero_grad()
        loss = criterion(model(x), y) + 1e-2 * model.weight.square().sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

Use instead:
    import torch
    from torch import nn

    model = nn.Linear(20, 5)
    groups = [{"params": [model.weight], "weight_decay": 2e-2}, {"params": [model.bias], "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    criterion = nn.CrossEntropyLoss()

    def step(x, y):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

References:
    Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, 2013, https://arxiv.org/abs/1211.5063
    Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019, https://arxiv.org/abs/1711.05101
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.static import Program
from bridle_audit.static.dataflow.penalties import Penalty, penalties_of

SEVERITY = "note"
PROXIMAL = "with torch.no_grad():  # behind optimizer.step()\n    w.copy_(w.sign() * (w.abs() - lr * l1).clamp(min=0))"
CLIPS = ("clip_grad_norm_", "clip_grad_value_", "clip_grad_norm")


def read(program: Program) -> Iterator[Finding]:
    """Penalties whose ``backward`` is called where gradients are clipped."""
    penalties = [each for each in penalties_of(program) if each.detached is None and each.framework == "torch"]
    for training in program.trainings if penalties else ():
        inside = [each for each in penalties if is_trained_in(program, each, training.node)]
        for clip in training.named(*CLIPS):
            if inside and any(each.node.lineno < clip.node.lineno for each in training.backwards):
                yield Finding(
                    program.source(clip.node),
                    f"the penalty {inside[0].source} is part of the gradient that is clipped: in steep "
                    "batches it is shortened with the rest, and its strength is less than what is written",
                    cure(inside[0]),
                    place=clip.place,
                )


def is_trained_in(program: Program, penalty: Penalty, node: ast.AST) -> bool:
    """Whether the gradient of a penalty is taken in a function."""
    return any((program.function_of(way.node) or program.tree) is node for way in penalty.ways)


def cure(penalty: Penalty) -> str:
    """The form that acts behind the clipping."""
    if penalty.kind == "l1":
        return PROXIMAL
    twice = f"{2 * penalty.strength:g}" if penalty.strength is not None and penalty.squared else "2 * strength"
    return (
        f"torch.optim.SGD(groups, lr=lr)  # with weight_decay={twice} in the group of the weights, behind the clipping"
    )
