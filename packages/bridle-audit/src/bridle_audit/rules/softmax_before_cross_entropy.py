"""Probabilities go into a loss that takes a softmax or a sigmoid of its own.

What it finds:
    A network that ends in a softmax or a sigmoid, in front of cross-entropy or binary cross-entropy of logits.
    Measured: the outputs of every row are positive and sum to 1; or they stay between 0 and 1 when all weights are
    multiplied by 10 and by -10. A log-softmax does no harm, a second one changes nothing, and it is not reported.

Why it hurts:
    A second softmax of numbers between 0 and 1 can never be sure of anything. Where the network has no doubt at all,
    ten classes still cost a loss of log(1 + 9/e) = 1.461; two classes cost 0.313, a thousand 5.909. A loss that
    cannot go towards zero looks like too much regularization, and the gradients are small where the network is most
    wrong.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10), nn.Softmax(dim=1))
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
    probabilities = model(x).softmax(dim=1)  # where they are wanted, outside of the loss

References:
    Lightning-Universe/lightning-bolts, issue 654, https://github.com/Lightning-Universe/lightning-bolts/issues/654
    PyTorch, CrossEntropyLoss: "the input is expected to contain the unnormalized logits for each class",
        https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from bridle_audit.findings import Finding
from bridle_audit.probe.copying import copied
from bridle_audit.probe.losses import Loss
from bridle_audit.probe.passes import run
from bridle_audit.probe.setup import Setup
from bridle_audit.static import Program

SEVERITY = "error"
CURE = "return self.output(h)  # logits: the loss takes its own softmax or sigmoid"
SUM = 1e-3  # how far a row's sum may be from 1: half precision
READ = {  # by the kind of the loss: what is too much in front of it, and what is said then
    "cross_entropy": (
        ("activation:softmax", "activation:sigmoid"),
        "a {} goes into a loss that takes a softmax of its own: with ten classes it cannot fall below 1.461",
    ),
    "bce_logits": (
        ("activation:sigmoid",),
        "a {} goes into a loss that takes one of its own: it cannot fall below 0.313 where the target is 1",
    ),
}
FACTORS = (10.0, -10.0)  # for all weights: what still lies between 0 and 1 has been squashed


def probe(setup: Setup) -> Iterator[Finding]:
    """Outputs that are probabilities, in front of a loss that wants logits."""
    loss = setup.loss
    if loss is None or not loss.wants_logits or loss.logits.min() < 0 or loss.logits.max() > 1:
        return
    sums = sums_to_one(loss)
    lowest, highest = float(loss.logits.min()), float(loss.logits.max())
    if not sums and (lowest == highest or not is_squashed(setup)):
        return
    floor = loss_floor(loss)
    rows = "each row sums to 1" if sums else "also when all weights are multiplied by 10"
    yield Finding(
        "the model's output",
        f"all outputs lie between {lowest:.3g} and {highest:.3g}, {rows}: these are probabilities, and the loss takes "
        f"the {'softmax' if loss.is_cross_entropy else 'sigmoid'} once more; it cannot fall below {floor:.3f}",
        CURE,
        {"lowest": lowest, "highest": highest, "floor": floor},
    )


def sums_to_one(loss: Loss) -> bool:
    """Whether the outputs of every row sum to 1 over the classes."""
    if loss.class_axis is None:
        return False
    return bool(((loss.logits.float().sum(loss.class_axis) - 1).abs() < SUM).all())


def is_squashed(setup: Setup) -> bool:
    """Whether the outputs stay between 0 and 1, and move, whatever size and sign the weights have."""
    if setup.batch is None:
        return False
    for factor in FACTORS:
        model = copied(setup.model)
        with torch.no_grad():
            for each in model.parameters():
                each.mul_(factor)
        logits = run(model, setup.batch, None, training=False).logits
        if logits is None or not bool(((logits >= 0) & (logits <= 1)).all()):
            return False
    return True


def loss_floor(loss: Loss) -> float:
    """The loss of the best probabilities that there are: 1 for what is right, 0 for the rest."""
    best = loss.y if loss.ids is None else torch.zeros_like(loss.logits)
    if loss.ids is not None and loss.class_axis is not None:
        best.scatter_(loss.class_axis, loss.ids.unsqueeze(loss.class_axis), 1.0)
    value = loss.value(best.to(loss.logits))
    return math.log(1 + (loss.classes - 1) / math.e) if value is None else value


def read(program: Program) -> Iterator[Finding]:
    """The last thing that happens to the logits is a softmax or a sigmoid."""
    for loss in program.losses:
        squashing, said = READ.get(loss.kind, ((), ""))
        if loss.last is not None and loss.last.kind in squashing:
            name = loss.last.kind.removeprefix("activation:")
            yield Finding(program.source(loss.last.node), said.format(name), CURE, place=loss.last.place)
