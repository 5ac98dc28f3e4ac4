"""The loss is a sum over the batch, so that the strength of the regularizer depends on the batch size.

What it finds:
    A loss with reduction="sum" beside a penalty, or beside weight decay that goes into the gradient of SGD. Measured,
    where the loss is given: twice the rows give twice the loss, and the penalty or decay stays what it is.

Why it hurts:
    A strength is a ratio: of the penalty to the loss of one row. With a sum, 0.001 at a batch of 32 is 0.0005 at 64 and
    something else in the last, shorter batch. And a learning rate that fits one batch size is too large for the next. A
    mean keeps both.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Linear(20, 5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, weight_decay=0.01)
    loss = nn.CrossEntropyLoss(reduction="sum")
    x, y = torch.randn(16, 20), torch.arange(16) % 5
    value = loss(model(x), y)
    value.backward()

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Linear(20, 5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.016, weight_decay=0.000625)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 5
    value = loss(model(x), y)
    value.backward()

References:
    scikit-learn, issue 10477: alpha and the number of samples, https://github.com/scikit-learn/scikit-learn/issues/10477
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.decay.decay import COUPLED
from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.static import Program
from bridle_audit.static.dataflow.penalties import penalties_of
from bridle_audit.static.dataflow.reaching import Reach
from bridle_audit.static.dataflow.ways import ways_of
from bridle_audit.static.interpreter import Loss

SEVERITY = "warning"
CURE = (
    'loss = nn.CrossEntropyLoss(reduction="mean")  # then lr times the batch size, and decay or penalty divided by it'
)


def probe(setup: Setup) -> Iterator[Finding]:
    """A sum beside a penalty, or beside decay that is added to its gradient."""
    if setup.loss is None or not setup.loss.is_sum:
        return
    decays = [group.weight_decay for group in setup.groups if group.decay.kind == COUPLED and group.weight_decay > 0]
    if setup.penalty is None and not decays:
        return
    rows = len(setup.loss.logits)
    what = "the penalty" if setup.penalty is not None else f"weight_decay={decays[0]:g}"
    yield Finding(
        "the loss",
        f"it is a sum over {rows} rows, and twice the rows make it twice as large: {what} counts as much as 1/{rows} "
        "of it would beside a mean, and half as much in a batch twice as large",
        CURE,
        {"rows": rows},
    )


def read(program: Program) -> Iterator[Finding]:
    """Sums that are trained on as they are, in a file with a penalty or with decay in SGD."""
    sums = [each for each in program.losses if each.reduction == "sum" and not each.under_no_grad]
    if not sums:
        return
    regularized = has_decay(program) or any(each.in_loss and each.detached is None for each in penalties_of(program))
    reach = Reach(program)
    for loss in sums if regularized else ():
        if is_trained_on(program, reach, loss):
            yield Finding(
                program.source(loss.constructor.node),
                'with reduction="sum" the loss grows with the batch, and the penalty or the decay does not: how strong '
                "it is depends on the batch size",
                CURE,
                place=loss.constructor.place,
            )


def has_decay(program: Program) -> bool:
    """Whether an SGD of the file decays."""
    names = ("torch.optim.SGD", "torch.optim.ASGD")
    return any(
        each.name in names and isinstance(each.decay, int | float) and each.decay > 0 for each in program.optimizers
    )


def is_trained_on(program: Program, reach: Reach, loss: Loss) -> bool:
    """Whether the gradient of a sum is taken without a division on the way, by the batch's rows or tokens."""
    ways = [way for way in ways_of(reach, loss.node) if way.end == "loss"]
    return bool(ways) and not any(isinstance(step.node.op, ast.Div) for way in ways for step in way.steps)
