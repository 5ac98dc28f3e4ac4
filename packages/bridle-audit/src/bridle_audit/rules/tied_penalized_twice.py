"""A weight that two layers share is penalized once for each of them.

What it finds:
    A penalty that goes through the layers of a model, of which some share a weight. Measured: the gradient of the
    penalty for the shared weight is a multiple of what it is for one of its uses alone.

Why it hurts:
    The shared weight, often the largest of the model (a table of embeddings that is also the output layer), gets two
    times the strength that was meant, and nobody sees it in the code. model.parameters() names each weight once.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(50, 16), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 50, bias=False))
    model[3].weight = model[0].weight
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randint(0, 50, (16,)), torch.randint(0, 50, (16,))

    def penalty(model):
        return 1e-3 * sum(layer.weight.square().sum() for layer in model if hasattr(layer, "weight"))

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(50, 16), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 50, bias=False))
    model[3].weight = model[0].weight
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randint(0, 50, (16,)), torch.randint(0, 50, (16,))

    def penalty(model):
        return 1e-3 * sum(p.square().sum() for p in model.parameters() if p.ndim > 1)

References:
    RETURNN, issue 1319: shared parameters and weight decay, https://github.com/rwth-i6/returnn/issues/1319
    Press and Wolf, Using the Output Embedding to Improve Language Models, 2017, https://arxiv.org/abs/1608.05859
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from bridle_audit.findings import Finding
from bridle_audit.probe.copying import copied
from bridle_audit.probe.setup import Setup

SEVERITY = "warning"
CURE = "sum(p.square().sum() for p in model.parameters() if p.ndim > 1)  # each weight once, shared or not"


def probe(setup: Setup) -> Iterator[Finding]:
    """Shared weights whose penalty is a sum over their uses."""
    for name, names in setup.names_of.items():
        together = setup.penalty_gradients.get(name)
        if len(names) < 2 or together is None or not bool(together.any()):
            continue
        alone = alone_gradients(setup, names)
        times = (together.norm() / alone[name].norm()).item() if name in alone and bool(alone[name].any()) else 1.0
        uses = sum(bool(alone[each].any()) for each in names if each in alone)
        if uses > 1 and abs(times - uses) < 1e-3 * uses:
            yield Finding(
                ", ".join(names),
                f"one weight under {len(names)} names is penalized {uses} times: the gradient of the penalty is "
                f"{times:.2f} times that of one of its uses",
                CURE,
                {"uses": uses, "gradients": times},
            )


def alone_gradients(setup: Setup, names: list[str]) -> dict[str, Tensor]:
    """The gradients of the penalty for each use, on a copy in which every use has a weight of its own."""
    assert setup.penalty is not None
    model = copied(setup.model)
    for name in names[1:]:
        path, _, last = name.rpartition(".")
        owner = model.get_submodule(path)
        owner.register_parameter(last, nn.Parameter(getattr(owner, last).detach().clone()))
    held = dict(model.named_parameters())
    with torch.enable_grad():
        value = setup.penalty(model)
    found = torch.autograd.grad(value.sum(), [held[name] for name in names], allow_unused=True)
    return {name: each for name, each in zip(names, found, strict=True) if each is not None}
