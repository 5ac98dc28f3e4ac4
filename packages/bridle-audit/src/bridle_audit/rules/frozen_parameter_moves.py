"""A parameter with ``requires_grad=False`` is moved by the optimizer all the same.

What it finds:
    A frozen parameter that the optimizer still holds, and that its steps have changed. Measured while the loop runs: by
    how much. A parameter that something else writes to, such as a checkpoint that is loaded, is left out. Without a
    loop, before the next step: a frozen parameter whose gradient is a tensor of zeros, not None, in a group with weight
    decay, or with momentum left over.

Why it hurts:
    ``requires_grad=False`` says that no gradient is computed, not that the optimizer must leave the parameter alone. It
    passes over parameters whose ``grad`` is None; where a gradient was left from before, as zeros after
    ``zero_grad(set_to_none=False)``, weight decay and momentum go on: with a momentum of 0.9 and a decay of 0.1,
    weights have moved by 0.50 after five steps. What was meant as a fixed feature extractor fades away.

Example:
    import torch
    from torch import nn

    import bridle

    torch.manual_seed(0)
    x, y = torch.randn(64, 8), torch.randn(64, 1)
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    with bridle.watch(model, optimizer) as watcher:
        for step in range(12):
            if step == 6:
                model[0].requires_grad_(False)
            optimizer.zero_grad(set_to_none=False)
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()

Use instead:
    import torch
    from torch import nn

    import bridle

    torch.manual_seed(0)
    x, y = torch.randn(64, 8), torch.randn(64, 1)
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    with bridle.watch(model, optimizer) as watcher:
        for step in range(12):
            if step == 6:
                model[0].requires_grad_(False)
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()

References:
    iamwangyabin/S-Prompts, pull request 2, https://github.com/iamwangyabin/S-Prompts/pull/2
    pytorch/pytorch, issue 150610, https://github.com/pytorch/pytorch/issues/150610
    KellerJordan/Muon, issue 54, https://github.com/KellerJordan/Muon/issues/54
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor
from torch.optim import Optimizer

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup, described
from bridle_audit.watch.record import Record

SEVERITY = "error"
CURE = (
    "optimizer.zero_grad(set_to_none=True)  # a parameter whose grad is None is passed over; or give it no other:\n"
    "optimizer = torch.optim.SGD([each for each in model.parameters() if each.requires_grad], lr=0.1)"
)


def watched(record: Record) -> Iterator[Finding]:
    """Frozen parameters that steps have moved."""
    if not record.frozen:
        return
    worst = max(record.frozen, key=lambda each: each.change / max(each.norm, each.change))
    of_itself = f" ({worst.change / worst.norm:.1%} of its norm)" if worst.norm > 0 else ""
    yield Finding(
        described([each.name for each in record.frozen]),
        f"{worst.name} has requires_grad=False, and the optimizer has moved it by {worst.change:.3g}{of_itself}: it "
        "holds a gradient from earlier, with which weight decay and momentum go on",
        CURE,
        {"change": worst.change, "norm": worst.norm, "parameters": len(record.frozen)},
    )


def probe(setup: Setup) -> Iterator[Finding]:
    """Frozen parameters that the next step would move: their gradients are zeros, which is not the same as None."""
    for group in setup.groups:
        if setup.optimizer is None or group.strangers:
            continue
        held = zip(group.names, setup.optimizer.param_groups[group.index]["params"], strict=True)
        waiting = [(name, momentum_of(setup.optimizer, each)) for name, each in held if is_waiting(each)]
        share = group.decay.share_per_step
        moved = [(name, momentum) for name, momentum in waiting if share > 0 or momentum > 0]
        if moved:
            name, momentum = max(moved, key=lambda each: each[1])
            yield Finding(
                described([each for each, _ in moved]),
                f"{name} has requires_grad=False, and its gradient is zeros, not None: a step takes {share:.2g} of it "
                f"by weight decay, and moves it on by what is left of its momentum, of norm {momentum:.3g}",
                CURE,
                {"share lost per step": share, "momentum": momentum, "parameters": len(moved)},
            )


def is_waiting(parameter: Tensor) -> bool:
    """Whether a parameter is frozen and has a gradient of zeros, as ``zero_grad(set_to_none=False)`` leaves it."""
    return not parameter.requires_grad and isinstance(parameter.grad, Tensor) and not bool(parameter.grad.any())


def momentum_of(optimizer: Optimizer, parameter: Tensor) -> float:
    """How long what an optimizer keeps of earlier gradients is."""
    state = optimizer.state.get(parameter, {})
    kept = [state.get(name) for name in ("momentum_buffer", "exp_avg")]
    return max((float(each.norm()) for each in kept if isinstance(each, Tensor)), default=0.0)
