"""The outputs that the loss takes for logits pass through a ReLU and cannot be negative.

What it finds:
    A network whose outputs are clamped at zero, by a ReLU or anything like it, in front of a loss that takes a
    softmax or a sigmoid of its own. Measured: the outputs of a batch in evaluation mode are zero or positive, some of
    them exactly zero.

Why it hurts:
    A logit that is clamped has no gradient. A class whose logit is clamped in every row is dead for good: nothing can
    raise it again. A row whose logits are all clamped teaches nothing, and its loss is that of a guess: 2.303 for ten
    classes. In the notebook that this project grew out of, it killed all ten classes in one run and three in the next
    (accuracies from 9.9 to 87 %).

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10), nn.ReLU())
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    value = loss(model(x), y)

References:
    pytorch/examples, pull request 117: the official MNIST example had it, https://github.com/pytorch/examples/pull/117
    Lu et al., Dying ReLU and Initialization, 2019, https://arxiv.org/abs/1903.06733
"""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.static import Program

SEVERITY = "error"
PASSING = ("dropout", "flatten", "reshape")  # what leaves a zero a zero
CURE = "return self.output(h)  # the last layer as it is: the loss takes its own softmax or sigmoid"


def probe(setup: Setup) -> Iterator[Finding]:
    """Outputs at zero and above, in front of a loss that wants logits."""
    if setup.loss is None or not setup.loss.wants_logits:
        return
    logits = setup.loss.logits
    zeros = float((logits == 0).float().mean())
    if float(logits.min()) < 0 or zeros == 0 or (zeros == 1 and learns(setup)):
        return
    silent = float((logits == 0).flatten(1).all(1).float().mean())
    yield Finding(
        "the model's output",
        f"no output of {logits.numel()} is negative and {zeros:.0%} are exactly zero: these logits are clamped "
        "and have "
        f"no gradient; in {silent:.0%} of the rows that is all of them",
        CURE,
        {"zeros": zeros, "rows without a gradient": silent},
    )


def learns(setup: Setup) -> bool:
    """Whether some weights have a gradient: outputs that are all zero may begin there, by their weights, and move."""
    gradients = setup.training.gradients if setup.training else {}
    return any(each.ndim > 1 and bool(each.any()) for each in gradients.values())


def read(program: Program) -> Iterator[Finding]:
    """The last thing that happens to the logits, but for dropout, is a ReLU."""
    for loss in program.losses:
        last = next((op for op in reversed(loss.logits) if op.kind not in PASSING), None)
        if loss.kind in ("cross_entropy", "bce_logits") and last is not None and last.kind == "activation:relu":
            yield Finding(
                program.source(last.node),
                "the logits pass through a ReLU before the loss: none is negative, and those at zero have no gradient",
                CURE,
                place=last.place,
            )
