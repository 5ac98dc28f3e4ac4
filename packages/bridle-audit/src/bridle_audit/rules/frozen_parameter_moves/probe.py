"""Frozen parameters that the next step would move: their gradients are zeros, which is not the same as None."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor
from torch.optim import Optimizer

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.frozen_parameter_moves.finding import CURE
from bridle_audit.wording import first_names


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for frozen parameters that the next step would move, as their gradient is zeros, not None."""
    for group in setup.groups:
        if setup.optimizer is None or group.foreign_shapes:
            continue
        held = zip(group.names, setup.optimizer.param_groups[group.index]["params"], strict=True)
        frozen = [(name, momentum_norm(setup.optimizer, each)) for name, each in held if is_frozen_with_gradient(each)]
        share = group.decay.share_per_step
        moved = [(name, momentum) for name, momentum in frozen if share > 0 or momentum > 0]
        if moved:
            name, momentum = max(moved, key=lambda each: each[1])
            yield Finding(
                first_names([each for each, _ in moved]),
                f"{name} has requires_grad=False, and its gradient is zeros, not None: a step takes {share:.2g} of it "
                f"by weight decay, and moves it on by what is left of its momentum, of norm {momentum:.3g}",
                CURE,
                {"share lost per step": share, "momentum": momentum, "parameters": len(moved)},
            )


def is_frozen_with_gradient(parameter: Tensor) -> bool:
    """Return True if a parameter is frozen and its ``grad`` is all zeros instead of None."""
    return not parameter.requires_grad and isinstance(parameter.grad, Tensor) and not bool(parameter.grad.any())


def momentum_norm(optimizer: Optimizer, parameter: Tensor) -> float:
    """Return the norm of the momentum that the optimizer holds for a parameter; 0 if it holds none."""
    state = optimizer.state.get(parameter, {})
    kept = [state.get(name) for name in ("momentum_buffer", "exp_avg")]
    return max((float(each.norm()) for each in kept if isinstance(each, Tensor)), default=0.0)
