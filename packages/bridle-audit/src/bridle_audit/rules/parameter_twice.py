"""One parameter is twice in the optimizer, so each step changes it twice.

What it finds:
    A parameter that a group holds more than once, as when lists of layers overlap.

Why it hurts:
    Each step updates and decays it as often as it is there, so its learning rate and its decay are two or three times
    what is written; and its running averages are mixed up. PyTorch warns of it and goes on.

Example:
    import warnings

    import torch
    from torch import nn

    warnings.simplefilter("ignore")  # as one does
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    weights = [*model[0].parameters(), *model.parameters()]
    optimizer = torch.optim.SGD(weights, lr=0.1)

Use instead:
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    weights = [*model[0].parameters(), *model[2].parameters()]
    optimizer = torch.optim.SGD(weights, lr=0.1)

References:
    PyTorch, issue 40967: a parameter twice in one group, https://github.com/pytorch/pytorch/issues/40967
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup, described

SEVERITY = "error"


def probe(setup: Setup) -> Iterator[Finding]:
    """Names that a group has more than once."""
    for group in setup.groups:
        times = {name: count for name, count in Counter(group.names).items() if count > 1}
        if times:
            yield Finding(
                str(group),
                f"{described(list(times))}: {len(times)} parameters are there up to {max(times.values())} times "
                "and take that "
                f"many updates, each at lr={group.lr:g}, in every step",
                "params = list(dict.fromkeys(params))  # each parameter once",
                {"parameters": len(times), "times": max(times.values())},
            )
