"""Labels are smoothed in the targets, and once more in the loss.

What it finds:
    A loss with label smoothing whose targets have been smoothed already: by hand, or by a mixing transform that
    smooths on its own (timm's ``Mixup`` does, by 0.1 unless told otherwise). Measured: each target's least share is
    the same and not zero, and the loss spreads a share of the targets over all classes.

Why it hurts:
    Smoothing by ε twice is smoothing by 1 - (1 - ε)²: 0.1 becomes 0.19, the loss is the same to the last digits.
    Neither of the two numbers in the program is then the one that acts, and tuning one of them moves less than it
    says.

Example:
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    x, labels = torch.randn(32, 20), torch.arange(32) % 10
    y = F.one_hot(labels, 10) * (1 - 0.1) + 0.1 / 10
    value = loss(model(x), y)

Use instead:
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    loss = nn.CrossEntropyLoss()
    x, labels = torch.randn(32, 20), torch.arange(32) % 10
    y = F.one_hot(labels, 10) * (1 - 0.1) + 0.1 / 10
    value = loss(model(x), y)

References:
    keras-team/keras-cv, issue 69: smoothing in the mixing and in the loss, https://github.com/keras-team/keras-cv/issues/69
    pytorch/vision, pull request 4907: the same question, https://github.com/pytorch/vision/pull/4907
    Szegedy et al., Rethinking the Inception Architecture, 2016, section 7, https://arxiv.org/abs/1512.00567
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.static import Program
from bridle_audit.static.dataflow.smoothing import smoothed_targets

SEVERITY = "warning"
LEAST = 1e-3  # smoothing below this is rounding
CURE = "torch.nn.CrossEntropyLoss()  # the targets are smoothed already"


def probe(setup: Setup) -> Iterator[Finding]:
    """Targets with the same least share in all rows, and a loss that spreads a share itself."""
    if setup.loss is None:
        return
    first, second = setup.loss.smoothing_of_targets, setup.loss.smoothing
    if first < LEAST or second < LEAST:
        return
    together = 1 - (1 - first) * (1 - second)
    yield Finding(
        "the loss",
        f"the targets are smoothed by {first:.3g} and the loss smooths them by {second:.3g} again: together that is "
        f"{together:.3g}",
        CURE,
        {"in the targets": first, "in the loss": second, "together": together},
    )


def read(program: Program) -> Iterator[Finding]:
    """A loss that smooths, and targets whose way to it shows that they are smoothed."""
    for loss in program.losses:
        second = loss.smoothing
        if loss.under_no_grad or not isinstance(second, int | float) or second < LEAST:
            continue
        target = loss.target or fitted(program)
        first = smoothed_targets(program, target) if target is not None else None
        if first is not None and first >= LEAST:
            together = 1 - (1 - first) * (1 - second)
            yield Finding(
                loss.constructor.name,
                f"the targets are smoothed by {first:.3g} and the loss smooths them by {second:.3g} again: together "
                f"that is {together:.3g}",
                CURE,
                {"in the targets": first, "in the loss": float(second), "together": together},
                place=loss.constructor.place,
            )


def fitted(program: Program) -> ast.expr | None:
    """The targets of the one ``fit`` in the file, as Keras has them."""
    calls = program.calls("method:fit")
    return calls[0].argument(1, "y") if len(calls) == 1 else None
