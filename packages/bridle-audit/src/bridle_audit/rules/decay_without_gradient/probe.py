"""Idle rows and columns of weights in groups whose decay is rescaled."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from bridle_audit.decay.measurement import RESCALED, measure_decay
from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup

LEAST = 0.05  # of the rows or columns; some units are silent in any batch


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for weights with all-zero rows or columns of gradients under rescaled decay."""
    gradients = setup.training.gradients if setup.training else {}
    for group in setup.groups:
        if group.decay.kind != RESCALED or setup.optimizer is None:
            continue
        for name in group.names:
            gradient = gradients.get(name)
            if gradient is None or gradient.ndim < 2:
                continue
            idle, share = zero_gradient_share(gradient)
            if share < LEAST:
                continue
            size = float(setup.parameters[name].detach().abs().median())
            shrink = measure_decay(setup.optimizer, setup.optimizer.param_groups[group.index], size=size or 1.0)
            yield Finding(
                name,
                f"{share:.0%} of its {idle} have no gradient from this batch; weight_decay={group.weight_decay:g} "
                "is all that "
                f"{setup.optimizer_name} sees there and takes {shrink.share_per_step:.2g} of such a weight per step, "
                f"{shrink.share_per_step / max(group.lr * group.weight_decay, 1e-30):.0f} times what decoupled "
                "decay would",
                f"torch.optim.AdamW(..., weight_decay={group.weight_decay:g})  # idle weights lose lr * "
                "weight_decay of themselves",
                {"idle": share, "share lost per step": shrink.share_per_step},
            )


def zero_gradient_share(gradient: Tensor) -> tuple[str, float]:
    """Return the larger share of all-zero rows or columns of a gradient, and which of the two it is."""
    parts = gradient.flatten(1)
    rows = float((parts == 0).all(1).float().mean())
    columns = float((parts == 0).all(0).float().mean())
    return ("rows", rows) if rows >= columns else ("columns", columns)
