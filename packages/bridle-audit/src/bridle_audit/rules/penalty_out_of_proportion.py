"""The penalty is all there is to the loss, or nothing to speak of.

What it finds:
    A penalty by hand that is more than ten times the loss of the data and has the longer gradient; or whose value and
    gradient are both less than a millionth of the data's. Measured on one batch.

Why it hurts:
    In the first case the steps shrink weights and learn nothing until the penalty has come down: the sum of all squares
    is a large number, 86 in the small network below, whose loss begins at 1.6. In the second case nothing is
    regularized: single precision keeps seven digits.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 5

    def penalty(model):
        return 1.0 * sum(p.square().sum() for p in model.parameters() if p.ndim > 1)

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(16, 20), torch.arange(16) % 5

    def penalty(model):
        return 1e-3 * sum(p.square().sum() for p in model.parameters() if p.ndim > 1)

References:
    Keras, issue 2104: the loss with its penalty, https://github.com/keras-team/keras/issues/2104
    AllenNLP, issue 2790: a penalty that swamps the loss, https://github.com/allenai/allennlp/issues/2790
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from torch import Tensor

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup

SEVERITY = "warning"
MOST, LEAST = 10.0, 1e-6  # of the loss of the data


def probe(setup: Setup) -> Iterator[Finding]:
    """The penalty beside the loss, and their gradients beside each other."""
    if setup.penalty_value is None or not setup.penalty_gradients or not setup.training or not setup.training.loss:
        return
    penalty, loss = setup.penalty_value.sum().item(), abs(setup.training.loss)
    theirs, ours = length(setup.penalty_gradients.values()), length(setup.training.gradients.values())
    if ours == 0 or theirs == 0:
        return
    is_all = penalty > MOST * loss and theirs > ours
    is_nothing = 0 < penalty < LEAST * loss and theirs < LEAST * ours
    if is_all or is_nothing:
        factor = loss / penalty / 10
        yield Finding(
            "the penalty",
            f"the penalty is {penalty:.3g}, the loss of the data {loss:.3g}; its gradient is {theirs / ours:.2g} "
            "times as long",
            f"penalty = {factor:.1g} * penalty  # about a tenth of the loss to begin with; then tune it",
            {"penalty": penalty, "loss": loss, "gradients": theirs / ours},
        )


def length(gradients: Iterable[Tensor]) -> float:
    """The norm of all gradients together."""
    return math.sqrt(sum(float(each.double().square().sum()) for each in gradients))
