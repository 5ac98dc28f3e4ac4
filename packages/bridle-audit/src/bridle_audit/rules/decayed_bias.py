"""Biases, scales of norms and other single numbers per unit decay with the weights.

What it finds:
    Parameters with at most one axis longer than 1 (biases, scales and shifts of norms, gates, temperatures) in a
    group with weight decay. How much is left of them after the training is computed from the optimizer and the
    schedule.

Why it hurts:
    Mostly it does not: this is a convention, and a small effect. Decay is meant for what multiplies inputs. A bias
    does not make a function wilder, a scale pulled to zero silences its unit, and the scale of a norm does what the
    weight behind it could do as well. Most published recipes leave them out; whether that helps you, a comparison
    tells.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.LayerNorm(32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.LayerNorm(32), nn.ReLU(), nn.Linear(32, 10))
    matrices = [each for each in model.parameters() if each.ndim > 1]
    vectors = [each for each in model.parameters() if each.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3)

References:
    PyTorch, issue 1402: no decay for biases and batch norm, https://github.com/pytorch/pytorch/issues/1402
    Transformers, pull request 35927: which norms decay, https://github.com/huggingface/transformers/pull/35927
    He et al., Bag of Tricks for Image Classification, 2019, section 3.1, https://arxiv.org/abs/1812.01187
"""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.decay.decay import NONE
from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup, described

SEVERITY = "note"
CURE = """groups = [
    {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": weight_decay},
    {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
]"""


def probe(setup: Setup) -> Iterator[Finding]:
    """Parameters of one axis in groups that decay."""
    for group in setup.groups:
        if group.decay.kind == NONE or group.decay.share_per_step == 0:
            continue
        names = [name for name in group.names if setup.is_vector(name)]
        if not names:
            continue
        share = group.decay.share_per_step
        norms = sum(name.rpartition(".")[0] in setup.norms for name in names)
        yield Finding(
            str(group),
            f"{len(names)} biases, scales and the like ({norms} of norms) decay with the weights: "
            f"{described(names)}; each loses "
            f"{share:.2g} of itself per step, half of itself in {setup.half_life(group):.3g} steps",
            CURE,
            {"parameters": len(names), "share lost per step": share, "half-life in steps": setup.half_life(group)},
        )
