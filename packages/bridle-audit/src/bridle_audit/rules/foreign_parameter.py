"""The optimizer holds parameters that are not the model's any more, while the model's own go without.

What it finds:
    Parameters in the optimizer that the model does not have. It is an error where trainable parameters of the model
    are in no group: a head was replaced, or the model copied or loaded anew, after the optimizer was made. Otherwise
    it is a note, as one optimizer may train several models.

Why it hurts:
    The optimizer updates a layer that nothing uses, and the layer in use is not trained. Losses fall more slowly than
    they could, and decay and learning-rate groups are for the wrong tensors.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 100))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model[2] = nn.Linear(32, 10)

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 100))
    model[2] = nn.Linear(32, 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

References:
    DeiT, issue 39: an optimizer made at the wrong time, https://github.com/facebookresearch/deit/issues/39
    PyTorch, torch.optim: "construct the optimizer after the model is where it will be",
        https://docs.pytorch.org/docs/stable/optim.html
"""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup

SEVERITY = "error"


def probe(setup: Setup) -> Iterator[Finding]:
    """Groups with parameters of nobody."""
    held = {name for group in setup.groups for name in group.names}
    missing = any(each.requires_grad and name not in held for name, each in setup.parameters.items())
    for group in setup.groups:
        if not group.strangers:
            continue
        shapes = ", ".join(" x ".join(map(str, shape)) for shape in dict.fromkeys(group.strangers[:3]))
        rest = "parameters of the model are in no group" if missing else "all parameters of the model are there, too"
        yield Finding(
            str(group),
            f"{len(group.strangers)} parameters of {setup.optimizer_name} ({shapes}) are not in the model, and {rest}",
            f"optimizer = torch.optim.{setup.optimizer_name}(model.parameters(), ...)  # behind the last change "
            "of the model",
            {"parameters": len(group.strangers)},
            severity=SEVERITY if missing else "note",
        )
