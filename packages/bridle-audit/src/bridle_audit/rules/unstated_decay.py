"""The optimizer decays by the default of its class, which nobody has to have stated.

What it finds:
    A weight decay that equals the nonzero default of the optimizer: AdamW's 0.01 and Muon's 0.1 in PyTorch, AdamW's
    0.004 in Keras. A model and its optimizer do not show whether somebody wrote the number; in a text it is seen.

Why it hurts:
    A default is not a choice: who compares "no regularization" with something compares AdamW's 0.01 with it, and who
    moves a recipe to another library takes another strength along. State it, if only as weight_decay=0.

Example:
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

Use instead:
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)

References:
    PyTorch, AdamW, https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html
    Transformers, issue 7214: AdamW shipped with a decay of 0, https://github.com/huggingface/transformers/issues/7214
"""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.static import Program

SEVERITY = "note"
DEFAULTS = {"torch.optim.AdamW": 0.01, "torch.optim.Muon": 0.1, "keras.optimizers.AdamW": 0.004}


def probe(setup: Setup) -> Iterator[Finding]:
    """Groups with the default of their class."""
    for group in setup.groups:
        if group.by_default:
            yield Finding(
                str(group),
                f"weight_decay={group.weight_decay:g} is {setup.optimizer_name}'s default: decay halves a weight in "
                f"{setup.half_life(group):.3g} steps",
                f"torch.optim.{setup.optimizer_name}(..., weight_decay=0.0)  # or the strength that you have chosen",
                {"weight_decay": group.weight_decay, "half-life in steps": setup.half_life(group)},
            )


def read(program: Program) -> Iterator[Finding]:
    """Such optimizers without a word on decay."""
    for each in program.optimizers:
        if each.name not in DEFAULTS or each.decay is not None or each.call.open:
            continue
        if each.groups or each.call.states(None, "weight_decay"):
            continue
        short = each.name.rpartition(".")[2]
        yield Finding(
            each.name,
            f"no weight_decay is stated, and the default of {short} here is {DEFAULTS[each.name]:g}, not 0",
            f"{short}(..., weight_decay={DEFAULTS[each.name]:g})  # or 0.0: the strength that you have chosen",
            place=each.place,
        )
