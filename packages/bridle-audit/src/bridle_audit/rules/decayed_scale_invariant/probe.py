"""Decayed weights whose gradient has no part along them."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.decay.measurement import NONE
from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.wording import first_names


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for decayed weights whose gradient is orthogonal to them."""
    for group in setup.groups:
        names = [name for name in setup.scale_invariant if name in group.names]
        if group.decay.kind == NONE or not names:
            continue
        most = max(setup.gradient_alignment(name) for name in names)
        yield Finding(
            str(group),
            f"{len(names)} decayed weights are in front of norms: {first_names(names)}; at most {most:.1e} of their "
            "gradient is "
            "along the weight, so decay sets their effective learning rate, lr / |w|², and not how simple the "
            "network is",
            "# tune weight_decay together with lr; to make the function simpler, decay the layers without a norm "
            "behind them",
            {"weights": len(names), "largest share of the gradient along the weight": most},
        )
