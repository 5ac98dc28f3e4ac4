"""Label smoothing leaves less than half of what the labels say.

What it finds:
    Label smoothing, in the loss, in the targets, or both together, of which so much is spread over all classes that
    less than half of the labels' information is left: log K - H of log K, where H is the entropy of a smoothed target
    of K classes. Below 5 % it is an error. Measured: what the loss and the targets spread.

Why it hurts:
    H is the loss of a perfect network. With ten classes it is 0.500 at a smoothing of 0.1 (78 % of the information is
    left) and 2.266 at 0.9, where a guess costs 2.303: between all right and all wrong there is 1.6 % of a loss. Such
    numbers come from other conventions: 0.9 is what the true class keeps in a description of "0.9 targets", and was
    written for the share that is taken away.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    loss = nn.CrossEntropyLoss(label_smoothing=0.6)
    x, y = torch.randn(32, 20), torch.arange(32) % 10
    value = loss(model(x), y)

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    x, y = torch.randn(32, 20), torch.arange(32) % 10
    value = loss(model(x), y)

References:
    Szegedy et al., Rethinking the Inception Architecture, 2016, section 7 (0.1), https://arxiv.org/abs/1512.00567
    Müller et al., When Does Label Smoothing Help?, 2019, https://arxiv.org/abs/1906.02629
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.static import Program
from bridle_audit.static.dataflow.smoothing import classes_of, information, smoothing_calls

SEVERITY = "warning"
LITTLE = 0.5  # of the labels' information; the usual 0.1 leaves 71 % of two classes and 85 % of a thousand
NOTHING = 0.05
CURE = "torch.nn.CrossEntropyLoss(label_smoothing=0.1)"


def probe(setup: Setup) -> Iterator[Finding]:
    """What the loss and the targets spread, together."""
    if setup.loss is None or setup.loss.classes < 2:
        return
    classes = setup.loss.classes
    smoothing = 1 - (1 - setup.loss.smoothing) * (1 - setup.loss.smoothing_of_targets)
    left = information(smoothing, classes)
    if left >= LITTLE:
        return
    floor, guess = (1 - left) * math.log(classes), math.log(classes)
    yield Finding(
        "the loss",
        f"labels of {classes} classes are smoothed by {smoothing:.3g}, which leaves {left:.1%} of what they say: a "
        f"perfect network has a loss of {floor:.3f}, a guess {guess:.3f}",
        CURE,
        {"smoothing": smoothing, "information left": left, "floor": floor},
        severity="error" if left < NOTHING else "",
    )


def read(program: Program) -> Iterator[Finding]:
    """What the losses state; where the number of classes is not known, at most the share that is kept is left."""
    for call, smoothing in smoothing_calls(program):
        classes = classes_of(program, call)
        left = information(smoothing, classes) if classes else 1 - smoothing
        if left >= LITTLE:
            continue
        of, at_most = (f"labels of {classes} classes", "") if classes else ("labels", "at most ")
        yield Finding(
            call.name,
            f"{of} are smoothed by {smoothing:g}, which leaves {at_most}{left:.1%} of what they say",
            CURE,
            {"smoothing": smoothing, "information left": left},
            place=call.place,
            severity="error" if left < NOTHING else "",
        )
