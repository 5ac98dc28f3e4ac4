"""An embedding decays in every row, also in those of words that the batch does not contain.

What it finds:
    An embedding in a group with weight decay, most of whose rows have no gradient from the batch.

Why it hurts:
    A row is trained when its word occurs, and decays in every step. So the rarer the word, the shorter its vector:
    under AdamW at lr · weight_decay = 1e-3, a row that does not occur for 50 steps has 0.951 of its length left. With
    common words only, it is harmless, and many published recipes do it; weights that are tied to the output layer
    have gradients in all rows.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(1000, 16), nn.Flatten(), nn.Linear(64, 5))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randint(0, 50, (16, 4)), torch.arange(16) % 5

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(1000, 16), nn.Flatten(), nn.Linear(64, 5))
    groups = [{"params": model[0].parameters(), "weight_decay": 0.0}, {"params": model[2].parameters()}]
    optimizer = torch.optim.AdamW(groups, lr=1e-2, weight_decay=0.1)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randint(0, 50, (16, 4)), torch.arange(16) % 5

References:
    torchtitan, issue 2599: no decay for embeddings and norms, https://github.com/pytorch/torchtitan/issues/2599
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from bridle_audit.decay.decay import COUPLED, DECOUPLED
from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup

SEVERITY = "note"
MOST_IDLE = 0.5  # of the rows
STEPS = 1000


def probe(setup: Setup) -> Iterator[Finding]:
    """Embeddings with decay and rows that the batch does not touch."""
    gradients = setup.training.gradients if setup.training else {}
    for name, module in setup.owners.items():
        group = setup.group_of(name)
        if not isinstance(module, nn.Embedding | nn.EmbeddingBag) or group is None or name not in gradients:
            continue
        if group.decay.kind not in (DECOUPLED, COUPLED):
            continue
        idle = float((gradients[name] == 0).all(1).float().mean())
        if idle < MOST_IDLE:
            continue
        left = max(0.0, 1 - group.decay.share_per_step) ** STEPS
        yield Finding(
            name,
            f"{idle:.0%} of its {len(gradients[name])} rows have no gradient from this batch and decay all the "
            "same: a word that "
            f"does not occur for {STEPS} steps has {left:.3g} of its vector left",
            f'{{"params": [model.{name}], "weight_decay": 0.0}}  # a group of its own',
            {"idle rows": idle, f"left after {STEPS} steps": left},
        )
