"""The decay is smaller than the last digit of the numbers it is applied to: nothing happens.

What it finds:
    A weight decay other than 0 that leaves (nearly) all numbers as they are. Decoupled decay is applied to the
    weights themselves, in their own type; coupled decay is added to the gradients of the batch; what has changed
    afterwards is counted.

Why it hurts:
    The network is trained without the regularization that its author believes in. Float32 keeps about 7 digits: lr ·
    weight_decay = 1e-8 changes no weight. bfloat16 keeps less than 3: AdamW with lr 1e-4 and weight_decay 0.1 leaves
    every weight as it is, for however many steps, as each is rounded back. Added to gradients of about 1, a coupled
    decay of 1e-8 disappears, too.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-5)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.1)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10

References:
    OneTrainer, issue 996: decay of weights in bfloat16, https://github.com/Nerogar/OneTrainer/issues/996
    Zamirai et al., Revisiting BFloat16 Training, 2020, https://arxiv.org/abs/2010.06192
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from torch import Tensor

from bridle_audit.decay.decay import DECOUPLED, NONE
from bridle_audit.findings import Finding
from bridle_audit.probe.groups import Group
from bridle_audit.probe.setup import Setup
from bridle_audit.static import Optimizer, Program

SEVERITY = "error"
LEAST = 0.01  # of the numbers that a decay must change to count as one
MOST_NUMBERS = 1_000_000  # that are tried for each group
HALF_DIGIT = {"float32": 2.0**-25, "bfloat16": 2.0**-9}  # below 1, where 1 - lr * weight_decay is; less is rounded away
NO_COUPLED = 1e-9  # with weights of 0.05 and gradients of 0.001 it is in the last digit of float32


def probe(setup: Setup) -> Iterator[Finding]:
    """Groups whose decay changes next to nothing."""
    for group in setup.groups:
        if group.decay.kind == NONE or group.weight_decay <= 0:
            continue
        if group.decay.kind == DECOUPLED:
            share = group.decay.share(setup.peak_lr(group))
            changed, what = share_changed(decayed(setup, group, share)), "weights"
        else:
            share = group.weight_decay
            changed, what = share_changed(added(setup, group)), "gradients"
        if changed is not None and changed < LEAST and share > 0:
            kinds = sorted({str(setup.parameters[name].dtype).removeprefix("torch.") for name in group.names})
            yield Finding(
                str(group),
                f"weight_decay={group.weight_decay:g} changes {changed:.1%} of the {what} in a step: a share of "
                f"{share:.1g} is "
                f"below the resolution of {' and '.join(kinds)}",
                cure(setup.peak_lr(group), group.decay.kind == DECOUPLED),
                {"changed": changed, "share per step": share},
            )


def decayed(setup: Setup, group: Group, share: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Weights before and behind a step of decoupled decay, in their own type."""
    for name in group.names:
        held = sample(setup.parameters[name])
        yield held, held * (1 - share)


def added(setup: Setup, group: Group) -> Iterator[tuple[Tensor, Tensor]]:
    """Gradients of the data before and behind coupled decay, of the weights that are not zero."""
    gradients = setup.training.gradients if setup.training else {}
    for name in group.names:
        if name in gradients:
            weight = sample(setup.parameters[name])
            held = sample(gradients[name])[weight != 0]
            yield held, held + group.weight_decay * weight[weight != 0]


def sample(tensor: Tensor) -> Tensor:
    """Its numbers, or as many of them as are enough to count."""
    return tensor.detach().flatten()[:MOST_NUMBERS]


def share_changed(pairs: Iterator[tuple[Tensor, Tensor]]) -> float | None:
    """How many of the numbers that are not zero are different afterwards; None where there are none."""
    changed = total = 0
    for before, behind in pairs:
        changed += int(((before != behind) & (before != 0)).sum())
        total += int((before != 0).sum())
    return changed / total if total else None


def cure(lr: float, decoupled: bool) -> str:
    """A decay that is felt."""
    if decoupled:
        return f"weight_decay=0.05  # with lr={lr:g} a step takes {0.05 * lr:.1g} of a weight; keep weights in float32"
    return "torch.optim.AdamW(..., weight_decay=0.05)  # or weight_decay=0 if you want none"


def read(program: Program) -> Iterator[Finding]:
    """Numbers in the text that cannot be felt."""
    for each in program.optimizers:
        if each.framework != "torch" or not isinstance(each.decay, int | float) or each.decay <= 0:
            continue
        kind = "bfloat16" if in_bfloat16(program, each) else "float32"
        lost = each.decay * each.lr if isinstance(each.lr, int | float) else None
        if each.decoupled and lost is not None and 0 < lost < HALF_DIGIT[kind]:
            yield Finding(
                each.name,
                f"lr * weight_decay is {lost:.1g}, less than half a digit of {kind} ({HALF_DIGIT[kind]:.1g}): no "
                "weight changes",
                cure(each.lr, True),
                place=each.place,
            )
        elif each.decoupled is False and each.decay < NO_COUPLED:
            yield Finding(
                each.name,
                f"weight_decay={each.decay:g} is added to gradients of float32, whose last digit is larger: next "
                "to none change",
                cure(0.0, False),
                place=each.place,
            )


def in_bfloat16(program: Program, optimizer: Optimizer) -> bool:
    """Whether the model whose parameters it takes is cast to bfloat16 as a whole, anywhere in the text."""
    model = program.source(optimizer.parameters).removesuffix(".parameters()") if optimizer.parameters else ""
    for call in program.calls("method:bfloat16", "method:to"):
        target = call.argument(0, "dtype") or call.argument(None, "dtype")
        casts = call.name == "method:bfloat16" or (target is not None and program.resolve(target) == "torch.bfloat16")
        receiver = program.source(call.receiver) if call.receiver is not None else ""
        statement = program.statement_of(call.node)
        assigned = isinstance(statement, ast.Assign) and program.source(statement.targets[0]) == model
        if casts and (receiver == model or assigned):
            return True
    return False
