"""Biases without a gradient, of weights that have one and in front of a norm."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.wording import first_names

ZERO = 1e-5  # of the weight's gradient; in double precision rounding leaves 1e-15


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for biases without a gradient, of trained weights in front of a norm."""
    shares = {}
    for (
        name
    ) in setup.scale_invariant:  # so that the keys of an attention, whose bias has no gradient either, are not meant
        share = bias_gradient_ratio(setup, name)
        if share is not None and share < ZERO:
            shares[name.removesuffix("weight") + "bias"] = share
    if not shares:
        return
    largest = max(shares.values())
    count = sum(setup.parameters[name].numel() for name in shares)
    yield Finding(
        first_names(list(shares)),
        f"{count} biases have no gradient (at most {largest:.0e} of their weights'): the norm behind takes them out",
        "nn.Linear(inputs, units, bias=False), nn.BatchNorm1d(units)",
        {"biases": float(count), "largest share of the gradient": largest},
    )


def bias_gradient_ratio(setup: Setup, name: str) -> float | None:
    """Return the gradient norm of a layer's bias over that of its weight; None if either has no gradient."""
    gradients = setup.training_in_double.gradients if setup.training_in_double else {}
    weight, bias = gradients.get(name), gradients.get(name.removesuffix("weight") + "bias")
    if weight is None or bias is None or not bool(weight.any()):
        return None
    return float(bias.norm() / weight.norm())
