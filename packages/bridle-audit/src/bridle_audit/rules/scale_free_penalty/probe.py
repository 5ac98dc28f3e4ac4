"""Scale-invariant weights that the penalty pulls at."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.wording import first_names


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for scale-invariant weights that are in the penalty."""
    names = [name for name in setup.scale_invariant if bool(setup.penalty_gradients.get(name, setup.no_gradient).any())]
    if names:
        most = max(setup.gradient_alignment(name) for name in names)
        yield Finding(
            first_names(names),
            f"{len(names)} penalized weights are in front of norms: at most {most:.1e} of the loss gradient is "
            "along them, so "
            "their length means nothing to the network, and the penalty changes the effective learning rate alone",
            "# leave these weights out of the penalty; tune their weight_decay together with lr",
            {"weights": len(names), "largest share of the gradient along the weight": most},
        )
