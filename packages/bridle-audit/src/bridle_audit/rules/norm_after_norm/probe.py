"""Norms in a row, and gains that a norm takes out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from torch import Tensor

from bridle_audit.findings import Finding
from bridle_audit.probe.batch import same_numbers
from bridle_audit.probe.setup import Setup

ZERO = 1e-5  # of the length that the direction's gradient has
GAINS = {"parametrizations.weight.original0": "parametrizations.weight.original1", "weight_g": "weight_v"}


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for a norm directly after a norm, and for gains of weight norm that a norm cancels."""
    leaves = setup.training.leaf_calls if setup.training else ()
    for first, second in pairwise(leaves):
        if first.name not in setup.norms or second.name not in setup.norms or first.output is None:
            continue
        if second.input is not None and same_numbers(first.output, second.input) and bool(first.output.any()):
            yield Finding(
                second.name,
                f"normalizes the output of layer {first.name}, itself a norm: {first.output.numel()} numbers of this "
                "batch are normalized twice",
                "nn.BatchNorm1d(units)  # one norm: take the other out",
                {"numbers": float(first.output.numel())},
            )
    for name, share in unused_gains(setup).items():
        yield Finding(
            name,
            f"the gain of weight norm has {share:.0e} of its direction's gradient: the norm behind takes it out again",
            "nn.Linear(inputs, units, bias=False), nn.BatchNorm1d(units)  # without weight_norm",
            {"share of the gradient": share},
        )


def unused_gains(setup: Setup) -> dict[str, float]:
    """Return the weight norm gains with next to no gradient, and its size relative to the direction's."""
    gradients = setup.training_in_double.gradients if setup.training_in_double else {}
    found = {}
    for name in gradients:
        for gain, direction in GAINS.items():
            other = name.removesuffix(gain) + direction
            if not name.endswith(gain) or other not in gradients:
                continue
            weights = setup.parameters[name], setup.parameters[other]
            moves = [
                relative_gradient(weight, gradients[each]) for weight, each in zip(weights, (name, other), strict=True)
            ]
            if moves[1] > 0 and moves[0] < ZERO * moves[1]:
                found[name] = moves[0] / moves[1]
    return found


def relative_gradient(weight: Tensor, gradient: Tensor) -> float:
    """Return the norm of a gradient times that of its weight: the effect of a step relative to the weight."""
    return float(weight.detach().double().norm() * gradient.norm())
