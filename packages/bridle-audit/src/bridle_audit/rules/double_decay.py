"""The same weights are shrunk twice: by a penalty in the loss and by the optimizer's weight decay.

What it finds:
    A penalty whose gradient is a multiple of the weight itself, as that of L2 is, on weights of a group with weight
    decay. In a text: an L2 penalty by hand, or Keras's kernel_regularizer, beside an optimizer whose weight_decay is
    stated.

Why it hurts:
    The strengths add up, in units that differ by a factor of two (the gradient of s · ‖w‖² is 2 s w, that of
    weight_decay s w), and under an adaptive optimizer not even the same way. Who tunes one of them tunes half of the
    regularization.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=5e-4)
    criterion = nn.CrossEntropyLoss()
    loss = criterion
    penalty = lambda model: 1e-3 * (model[0].weight.square().sum() + model[2].weight.square().sum())
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    l2 = sum(p.pow(2).sum() for n, p in model.named_parameters() if "weight" in n)
    total = criterion(model(x), y) + 1e-3 * l2
    total.backward()
    optimizer.step()

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=2.5e-3)
    criterion = nn.CrossEntropyLoss()
    loss = criterion
    x, y = torch.randn(16, 20), torch.arange(16) % 10
    total = criterion(model(x), y)
    total.backward()
    optimizer.step()

References:
    Keras, regularizers: the penalty is s · sum(w²), https://keras.io/api/layers/regularizers/
    Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019, https://arxiv.org/abs/1711.05101
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from bridle_audit.decay.decay import NONE
from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup, described
from bridle_audit.static import Program
from bridle_audit.static.dataflow.penalties import penalties_of

SEVERITY = "warning"
ALONG = 0.99  # of a penalty's gradient, in the direction of the weight
CURE = "optimizer = torch.optim.AdamW(..., weight_decay=strength)  # and no penalty in the loss; or weight_decay=0"


def probe(setup: Setup) -> Iterator[Finding]:
    """Weights with a decay and with a penalty that is one."""
    for group in setup.groups:
        if group.decay.kind == NONE:
            continue
        found = {
            name: multiple(setup.penalty_gradients[name], setup.parameters[name].detach())
            for name in group.names
            if name in setup.penalty_gradients
        }
        twice = {name: each for name, each in found.items() if each is not None}
        if twice:
            largest = max(twice.values())
            yield Finding(
                str(group),
                f"{len(twice)} weights have weight_decay={group.weight_decay:g} and a penalty whose gradient is "
                f"{largest:.3g} times the weight: {described(list(twice))}",
                CURE,
                {"weights": len(twice), "weight_decay": group.weight_decay, "of the penalty": largest},
            )


def multiple(gradient: Tensor, weight: Tensor) -> float | None:
    """By what the weight is multiplied in the gradient of its penalty; None where that is something else."""
    lengths = float(gradient.norm() * weight.norm())
    along = float((gradient * weight).sum())
    return along / float(weight.square().sum()) if lengths > 0 and along > ALONG * lengths else None


def read(program: Program) -> Iterator[Finding]:
    """An L2 penalty that reaches the loss, beside a weight decay that is stated."""
    decays = [each for each in program.optimizers if isinstance(each.decay, int | float) and each.decay > 0]
    if len(program.optimizers) != 1 or not decays:
        return
    for penalty in penalties_of(program):
        if penalty.kind == "l2" and penalty.in_loss and penalty.detached is None:
            yield Finding(
                program.source(penalty.node),
                f"this penalty shrinks weights that {decays[0].name} shrinks by weight_decay={decays[0].decay:g} "
                "as well",
                CURE,
                place=penalty.place,
            )
