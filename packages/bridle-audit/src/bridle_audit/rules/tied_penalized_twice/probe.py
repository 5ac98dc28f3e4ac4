"""Shared weights whose penalty is a sum over their uses."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from bridle_audit.findings import Finding
from bridle_audit.probe.copying import copied
from bridle_audit.probe.setup import Setup

CURE = "sum(p.square().sum() for p in model.parameters() if p.ndim > 1)  # each weight once, shared or not"


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for tied weights that the penalty counts once per use."""
    for name, names in setup.all_names.items():
        together = setup.penalty_gradients.get(name)
        if len(names) < 2 or together is None or not bool(together.any()):
            continue
        alone = untied_gradients(setup, names)
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


def untied_gradients(setup: Setup, names: list[str]) -> dict[str, Tensor]:
    """Return the penalty's gradient for each use of a weight, on a copy of the model without tying."""
    assert setup.penalty is not None
    model = copied(setup.model)
    for name in names[1:]:
        path, _, last = name.rpartition(".")
        owner = model.get_submodule(path)
        owner.register_parameter(last, nn.Parameter(getattr(owner, last).detach().clone()))
    held = dict(model.named_parameters())
    with torch.enable_grad():
        value = torch.as_tensor(setup.penalty(model))
    found = torch.autograd.grad(value.sum(), [held[name] for name in names], allow_unused=True)
    return {name: each for name, each in zip(names, found, strict=True) if each is not None}
