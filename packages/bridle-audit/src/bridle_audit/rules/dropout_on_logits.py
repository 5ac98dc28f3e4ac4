"""Dropout falls on the outputs that the loss is computed from.

What it finds:
    A dropout behind the last layer. Measured: in training mode some outputs of a row are exactly zero and others of
    the same row are not, other ones in each pass; in evaluation mode none is zero.

Why it hurts:
    A logit that is set to zero is a vote for nothing, and the others are doubled at a rate of 0.5. With logits of 5
    for the right one of ten classes and 0 for the rest, the loss is 0.06; under dropout of 0.5 on these it is 1.15,
    as half of the rows lose the only logit that was right, and nothing that the network learns can change that.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10), nn.Dropout(0.5))
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 10))
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

References:
    Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014, JMLR 15, section 4: the
        inputs of a layer are dropped, https://jmlr.org/papers/v15/srivastava14a.html
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from bridle_audit.findings import Finding
from bridle_audit.probe.batch import same
from bridle_audit.probe.setup import Setup
from bridle_audit.static import Program

SEVERITY = "error"
CURE = "h = self.dropout(h)\nreturn self.output(h)  # dropout in front of the last layer, not behind it"


def probe(setup: Setup) -> Iterator[Finding]:
    """Outputs that are zero at random in training mode, and never in evaluation mode."""
    if not is_scored(setup) or setup.evaluation is None or setup.training is None:
        return
    kept, dropped = setup.evaluation.logits, setup.training.logits
    if kept is None or dropped is None or bool((kept == 0).any()):
        return
    zeros = dropped == 0
    where = last_dropout(setup, dropped)
    if not where and not falls_on_single_outputs(setup, zeros):
        return
    share = float(zeros.float().mean())
    losses = setup.evaluation.loss, setup.training.loss
    yield Finding(
        where or "the model's output",
        f"in training mode {share:.0%} of the outputs are exactly zero, in evaluation mode none of {kept.numel()}: "
        f"dropout falls on what the loss is computed from; on this batch it is {losses[0]:.3g} without and "
        f"{losses[1]:.3g} with it",
        CURE,
        {"zeros": share, "loss in evaluation mode": losses[0] or 0.0, "loss in training mode": losses[1] or 0.0},
    )


def is_scored(setup: Setup) -> bool:
    """Whether a loss compares the outputs themselves with targets, one by one or by a softmax."""
    loss = setup.loss
    if loss is None:
        return False
    return loss.wants_logits or (isinstance(loss.y, Tensor) and loss.y.shape == loss.logits.shape)


def last_dropout(setup: Setup, outputs: Tensor) -> str:
    """The dropout that gives out the model's outputs, itself; empty where none does."""
    if not bool((outputs == 0).any()):
        return ""
    for use in reversed(setup.uses):
        if use.drops and use.output is not None and same(use.output.flatten(), outputs.flatten()):
            return use.where
    return ""


def falls_on_single_outputs(setup: Setup, zeros: Tensor) -> bool:
    """Whether zeros fall on some outputs of a row and not on others, and elsewhere in another pass."""
    again = setup.training_again
    if again is None or again.logits is None or zeros.ndim < 2 or zeros.shape[-1] < 2:
        return False
    rows = zeros.flatten(0, -2)
    return bool((rows.any(-1) & ~rows.all(-1)).any()) and not torch.equal(zeros, again.logits == 0)


def read(program: Program) -> Iterator[Finding]:
    """The last thing that happens to the logits, in training, is a dropout."""
    for loss in program.losses:
        op = loss.last
        if op is None or op.kind != "dropout" or loss.under_no_grad:
            continue
        rate = op.number(0 if op.is_layer else 1, "p", 0.5)
        if rate is None or rate == 0:
            continue
        yield Finding(
            program.source(op.node),
            f"dropout of {rate:g} falls on what the loss is computed from: nothing that is learned brings these back",
            CURE,
            place=op.place,
        )
