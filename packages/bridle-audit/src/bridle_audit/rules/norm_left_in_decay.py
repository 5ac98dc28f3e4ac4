"""A list of exceptions from decay has missed some: norms or biases are in the group that decays.

What it finds:
    An optimizer with a group for what shall not decay (biases, scales, embeddings) whose other group still holds
    biases or the parameters of norms. Norms are known by what they do, not by their names.

Why it hurts:
    The list matches names, such as LayerNorm.weight, and the model's norms are called rms_norm, ln_1 or
    input_layernorm: the exception is written and does not hold. The effect is small; that the split does something
    else than it says is the trouble.

Example:
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(20, 32), nn.RMSNorm(32), nn.ReLU(), nn.Linear(32, 10))
    no_decay = ["bias", "LayerNorm.weight"]
    named = list(model.named_parameters())
    groups = [
        {"params": [p for n, p in named if not any(nd in n for nd in no_decay)], "weight_decay": 0.1},
        {"params": [p for n, p in named if any(nd in n for nd in no_decay)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3)

Use instead:
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(20, 32), nn.RMSNorm(32), nn.ReLU(), nn.Linear(32, 10))
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3)

References:
    Transformers, issue 16908 and pull request 38922: norms that the names miss,
        https://github.com/huggingface/transformers/issues/16908
"""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup, described

SEVERITY = "warning"
CURE = """decay = [p for p in model.parameters() if p.ndim > 1]
no_decay = [p for p in model.parameters() if p.ndim < 2]"""


def probe(setup: Setup) -> Iterator[Finding]:
    """Vectors in a group that decays, beside a group that is there for vectors."""
    exempt = [name for group in setup.groups if not group.weight_decay for name in group.names]
    vectors = [name for name in exempt if setup.is_vector(name)]
    if not vectors or any(setup.is_mapping(name) for name in exempt):
        return
    with_biases = any(name.endswith("bias") and not in_norm(setup, name) for name in vectors)
    for group in setup.groups:
        decayed = group.names if group.weight_decay else ()
        missed = [name for name in decayed if in_norm(setup, name) or (with_biases and name.endswith("bias"))]
        if missed:
            norms = sum(in_norm(setup, name) for name in missed)
            yield Finding(
                str(group),
                f"{len(missed)} biases and scales ({norms} of norms) decay by {group.weight_decay:g} though "
                f"{len(vectors)} others "
                f"are in a group without decay: {described(missed)}",
                CURE,
                {"missed": len(missed), "of norms": norms, "exempt": len(vectors)},
            )


def in_norm(setup: Setup, name: str) -> bool:
    """Whether a parameter is the scale or the shift of a norm."""
    return setup.is_vector(name) and name.rpartition(".")[0] in setup.norms
