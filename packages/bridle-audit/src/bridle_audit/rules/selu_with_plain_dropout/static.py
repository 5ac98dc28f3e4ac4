"""A SELU and then a plain dropout in a network's flow."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from bridle_audit.findings import Finding
from bridle_audit.static import Program, value_changing
from bridle_audit.static.dataflow.dropping import dropout_rate

ALPHA = ("AlphaDropout", "FeatureAlphaDropout", "alpha_dropout", "feature_alpha_dropout")


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a network that applies a plain dropout after a SELU."""
    for network in program.networks:
        for first, second in pairwise(value_changing(network.flow)):
            if first.kind != "activation:selu" or second.kind != "dropout" or second.name.endswith(ALPHA):
                continue
            rate = dropout_rate(second)
            if rate is not None and 0 < rate < 1:
                yield Finding(
                    program.source(second.node),
                    f"dropout of {rate:g} behind a SELU makes the variance {1 / (1 - rate):.2f} times what it was, and "
                    "a SELU is to keep it at 1",
                    f"nn.AlphaDropout({rate:g})",
                    location=second.location,
                )
