"""Sparse embeddings in groups that decay."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.optim import Optimizer

from bridle_audit.decay.measurement import innermost_optimizer
from bridle_audit.findings import Finding
from bridle_audit.probe.groups import ParameterGroup
from bridle_audit.probe.setup import Setup
from bridle_audit.wording import first_names

ROWS = 4  # of the embedding that is tried out; the batch names the first two
CURE = "nn.Embedding(..., sparse=False)  # where it shall decay; or a group of its own with weight_decay=0"


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for sparse embeddings in a group with weight decay that does not act on them."""
    sparse = [
        f"{name}.weight".lstrip(".") for name, each in setup.modules.items() if getattr(each, "sparse", False) is True
    ]
    for group in setup.groups:
        names = [name for name in sparse if name in group.names]
        if not names or group.weight_decay <= 0 or setup.optimizer is None:
            continue
        outcome, lost = try_step(setup.optimizer, group)
        if lost == 0:
            yield Finding(
                first_names(names),
                f"its gradients are sparse, and weight_decay={group.weight_decay:g} {outcome}",
                CURE,
                {"weight_decay": group.weight_decay},
            )


def try_step(optimizer: Optimizer, group: ParameterGroup) -> tuple[str, float]:
    """Return what a step does to a row that is not in the batch, in words, and the share of it that it takes."""
    make: Callable[..., Optimizer] = type(innermost_optimizer(optimizer))
    weight = nn.Parameter(torch.ones(ROWS, 2))
    try:
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            own = make([{"params": [weight], **group.options}])
            nn.functional.embedding(torch.tensor([0, 1]), weight, sparse=True).sum().backward()
            own.step()
    except (RuntimeError, TypeError, ValueError) as error:
        return f"makes {make.__name__} fail at the first step ({error})", 0.0
    lost = 1.0 - weight[ROWS - 1, 0].item()
    return f"does nothing to rows that a batch does not name: {make.__name__} takes {lost:g} of them", lost
