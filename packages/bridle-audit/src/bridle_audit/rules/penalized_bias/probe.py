"""Biases and parameters of norms that the penalty pulls to zero together with weights."""

from __future__ import annotations

from collections.abc import Iterator

from bridle_audit.decay.penalty_effects import PenaltyEffect, measure_penalty_effects
from bridle_audit.findings import Finding
from bridle_audit.probe.copying import copied
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.penalized_bias.finding import CURE
from bridle_audit.wording import first_names


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for biases and norm parameters that the penalty shrinks together with weights."""
    if setup.penalty is None or not setup.penalty_gradients:
        return
    pulls = {
        name: each
        for name, each in measure_penalty_effects(setup.penalty, copied(setup.model)).items()
        if each.coefficient > 0
    }
    norms = [name for name in pulls if name.rpartition(".")[0] in setup.norms]
    biases = [name for name in pulls if name.endswith("bias") and name not in norms]
    weights = [name for name in pulls if not setup.is_vector(name) and name not in norms]
    if not weights or not (norms or biases):
        return
    yield make_finding(pulls, norms, biases)


def make_finding(pulls: dict[str, PenaltyEffect], norms: list[str], biases: list[str]) -> Finding:
    """Return the finding for biases and norm parameters that the penalty shrinks."""
    largest = max(pulls[name].coefficient for name in [*norms, *biases])
    return Finding(
        first_names([*biases, *norms]),
        f"the penalty pulls {len(biases)} biases and {len(norms)} parameters of norms to zero with the weights, as a "
        f"weight_decay of up to {largest:.2g} would",
        CURE,
        {"biases": len(biases), "parameters of norms": len(norms), "weight_decay": largest},
    )
