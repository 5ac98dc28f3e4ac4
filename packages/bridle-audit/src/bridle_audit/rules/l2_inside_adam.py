"""Weight decay goes into a gradient that the optimizer rescales, so its strength hardly counts.

What it finds:
    A group of an adaptive optimizer (Adam, NAdam, RAdam, Adamax, RMSprop, Adagrad, Adadelta and others) whose weight
    decay is added to the gradient. What the optimizer does is measured on weights of its own, so that Adam with
    decoupled_weight_decay=True is silent, and optimizers that nobody has heard of are not.

Why it hurts:
    Adam divides a gradient by its own size. A weight without a gradient from the data loses one learning rate per
    step, whatever the decay is; a weight with large gradients loses next to nothing. So the strength cannot be tuned,
    and weights are regularized the less the more the data pulls at them. Decoupled decay takes the same share from
    all of them.

Example:
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=0.01)

Use instead:
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)

References:
    Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019, https://arxiv.org/abs/1711.05101
    PyTorch, issue 38767: Adam's documentation of weight_decay, https://github.com/pytorch/pytorch/issues/38767
"""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.decay.decay import RESCALED
from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.static import UNKNOWN, Program

SEVERITY = "warning"
WITH_SWITCH = ("NAdam", "RAdam")  # of torch, which decouple when told to


def probe(setup: Setup) -> Iterator[Finding]:
    """Groups whose decay is rescaled, by what the optimizer does."""
    for group in setup.groups:
        decay = group.decay
        if decay.kind != RESCALED:
            continue
        measured = (
            f"an idle weight of 1 loses {decay.share_per_step:.2g} of itself per step, and twice the decay would take "
            f"{decay.twice:.3f} times as much"
            if decay.measured
            else f"known by the name, as no {setup.optimizer_name} could be tried out"
        )
        yield Finding(
            str(group),
            f"weight_decay={decay.strength:g} goes into the gradient, which {setup.optimizer_name} rescales: "
            f"{measured}",
            cure(setup.optimizer_name),
            {"share lost per step": decay.share_per_step, "effect of twice the decay": decay.twice},
        )


def cure(optimizer: str) -> str:
    """The decoupled form of it; the strength means something else there."""
    if optimizer in WITH_SWITCH:
        return f"torch.optim.{optimizer}(..., weight_decay=0.01, decoupled_weight_decay=True)  # tune the strength anew"
    return "torch.optim.AdamW(..., weight_decay=0.01)  # takes lr * 0.01 of every weight per step; tune it anew"


def read(program: Program) -> Iterator[Finding]:
    """Such optimizers in the text, by their classes."""
    for each in program.optimizers:
        if each.framework != "torch" or not each.is_adaptive or each.decoupled is not False:
            continue
        stated = [each.decay, *(group.value("weight_decay", None) for group in each.groups)]
        if any(value is UNKNOWN for value in stated):
            continue
        strengths = [value for value in stated if isinstance(value, int | float) and value > 0]
        if strengths:
            name = each.name.rpartition(".")[2]
            yield Finding(
                each.name,
                f"weight_decay={max(strengths):g} goes into the gradient, which {name} rescales: an idle weight "
                "loses about "
                "one learning rate per step whatever the strength, one with large gradients next to nothing",
                cure(name),
                place=each.place,
            )
